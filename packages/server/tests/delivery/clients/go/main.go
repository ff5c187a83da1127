// Unleash's Go SDK as a contract program (`ensign_testkit.programs` says what it answers).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Unleash/unleash-go-sdk/v5"
	"github.com/Unleash/unleash-go-sdk/v5/context"
)

type given struct {
	Url, Token, App, Mode, Watch, Folder string
	Flags                                []string
	Contexts                             []struct {
		UserId     string
		Properties map[string]string
	}
}

type listener struct {
	unleash.NoopListener
	ready chan struct{}
}

func (l *listener) OnReady()            { close(l.ready) }
func (l *listener) OnError(err error)   { fmt.Fprintln(os.Stderr, err) }
func (l *listener) OnWarning(err error) { fmt.Fprintln(os.Stderr, err) }

func say(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	var asked given
	if err := json.Unmarshal([]byte(os.Args[1]), &asked); err != nil {
		panic(err)
	}
	listens := &listener{ready: make(chan struct{})}
	client, err := unleash.NewClient(
		unleash.WithUrl(asked.Url), unleash.WithAppName(asked.App), unleash.WithListener(listens),
		unleash.WithCustomHeaders(http.Header{"Authorization": {asked.Token}}),
		unleash.WithRefreshInterval(300*time.Millisecond), unleash.WithMetricsInterval(time.Second),
		unleash.WithBackupPath(asked.Folder),
	)
	if err != nil {
		panic(err)
	}
	select {
	case <-listens.ready:
	case <-time.After(10 * time.Second):
	}
	contexts := make([]context.Context, len(asked.Contexts))
	for index, one := range asked.Contexts {
		contexts[index] = context.Context{UserId: one.UserId, Properties: one.Properties}
	}
	say("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "watch":
			say(client.IsEnabled(asked.Watch, unleash.WithContext(contexts[0])))
		case "answers":
			say(answers(client, asked.Flags, contexts))
		case "end":
			client.Close()
			say("ended")
			return
		}
	}
}

func answers(client *unleash.Client, flags []string, contexts []context.Context) [][][]any {
	rows := [][][]any{}
	for _, flag := range flags {
		row := [][]any{}
		for _, one := range contexts {
			variant := client.GetVariant(flag, unleash.WithVariantContext(one))
			var payload any
			if variant.Payload.Type != "" {
				payload = variant.Payload
			}
			row = append(row, []any{client.IsEnabled(flag, unleash.WithContext(one)), variant.Name, payload})
		}
		rows = append(rows, row)
	}
	return rows
}
