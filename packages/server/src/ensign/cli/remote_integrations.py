"""`ensign inbox` and `ensign integrations`: what one is to know, and where happenings are told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows

inbox = group(help="What you are to know of. Over the API.")
app = group(help="Webhooks, chats and ticket systems. Over the API.")

Id = Annotated[str, typer.Argument(help="The integration's id, int_….")]
Project = Annotated[
    str, typer.Option("--project", "-p", help="Of this project; without it, of the whole installation.")
]


@inbox.command("list")
def list_notices(
    everything: Annotated[bool, typer.Option("--all", help="Also what you have read.")] = False,
    topic: Annotated[str, typer.Option(help="review, mine, talk, release, emergency, guard, policy, access, …")] = "",
    as_json: Json = False,
) -> None:
    """Notices, newest first."""
    query = {"unread": "" if everything else "true", "topic": topic}
    rows = list(connect().pages("/notices", query=query))
    show_rows(
        [{**row, "sentence": row["sentence"] or "(put right since)"} for row in rows] if not as_json else rows,
        as_json=as_json,
        columns=(("id", "id"), ("at", "at"), ("topic", "topic"), ("what", "sentence"), ("where", "url")),
        empty="Nothing unread." if not everything else "Nothing yet.",
    )


@inbox.command("read")
def read_notices(
    ids: Annotated[list[int] | None, typer.Argument(help="Numbers of notices; none: all.")] = None,
    as_json: Json = False,
) -> None:
    """Mark notices as read."""
    done = connect().call("POST", "/notices/mark", {"ids": ids or None})
    show(done, as_json=as_json, text=f"{done['changed']} marked as read; {done['unread']} unread.")


@inbox.command("prefer")
def prefer(
    choices: Annotated[list[str] | None, typer.Argument(help="topic=now, topic=digest or topic=never.")] = None,
    as_json: Json = False,
) -> None:
    """How you are told by e-mail; without a choice, how it is now."""
    client = connect()
    wanted = dict(choice.partition("=")[::2] for choice in choices or [])
    path = "/notification-preferences"
    found = client.call("PUT", path, {"mails": wanted}) if wanted else client.call("GET", path)
    show(found, as_json=as_json, text="\n".join(f"{topic}: {way}" for topic, way in found["mails"].items()))


@app.command("list")
def list_integrations(project: Project = "", as_json: Json = False) -> None:
    """Integrations, oldest first."""
    path = "/integrations" + (f"?project={part(project)}" if project else "")
    show_rows(
        connect().call("GET", path),
        as_json=as_json,
        columns=(("id", "id"), ("kind", "kind"), ("name", "name"), ("where", "host"), ("status", "status")),
        empty="Nothing is connected.",
    )


@app.command("make")
def make_integration(
    kind: Annotated[str, typer.Argument(help="webhook, slack, teams, jira, servicenow, github or gitlab.")],
    name: Annotated[str, typer.Argument(help="How others recognise it.")],
    project: Project = "",
    url: Annotated[str, typer.Option(envvar="ENSIGN_INTEGRATION_URL", help="Where messages are posted.")] = "",
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only this topic; repeatable.")] = None,
    environment: Annotated[list[str] | None, typer.Option("--environment", "-e", help="Only here; repeatable.")] = None,
    base_url: Annotated[str, typer.Option(help="Where a ticket system is.")] = "",
    prefix: Annotated[list[str] | None, typer.Option("--prefix", help="Only these keys: PAY, CHG; repeatable.")] = None,
    token: Annotated[str, typer.Option(envvar="ENSIGN_INTEGRATION_TOKEN", help="Reads the status of tickets.")] = "",
    as_json: Json = False,
) -> None:
    """Connect something. A webhook's secret is printed this once."""
    body = {
        "kind": kind, "name": name, "project": project or None, "url": url, "topics": topic or [],
        "environments": environment or [], "base_url": base_url, "prefixes": prefix or [], "token": token or None,
    }  # fmt: skip
    made = connect().call("POST", "/integrations", body)
    _show_made(made, as_json=as_json)


def _show_made(made: dict[str, Any], *, as_json: bool) -> None:
    text = f"{made['name']} is {made['id']}, sent to {made['host']}."
    if made["secret"]:
        text += f"\nIts secret, which is shown this once:\n{made['secret']}"
    show(made, as_json=as_json, text=text)


@app.command("rotate")
def rotate(id: Id, as_json: Json = False) -> None:
    """Replace a webhook's secret; for 24 hours both sign."""
    _show_made(connect().call("POST", f"/integrations/{part(id)}/rotate"), as_json=as_json)


def _act(id: str, act: str, said: str, *, as_json: bool) -> None:
    done = connect().call("POST", f"/integrations/{part(id)}/act", {"act": act})
    show(done, as_json=as_json, text=said.format(**done))


@app.command("test")
def try_out(id: Id, as_json: Json = False) -> None:
    """Send a message that says it is a test."""
    _act(id, "test", "A test is on its way; see: ensign integrations deliveries {id}", as_json=as_json)


@app.command("disable")
def disable(id: Id, as_json: Json = False) -> None:
    """Send nothing there any more."""
    _act(id, "disable", "{name} is switched off.", as_json=as_json)


@app.command("enable")
def enable(id: Id, as_json: Json = False) -> None:
    """Use it again."""
    _act(id, "enable", "{name} is in use again.", as_json=as_json)


@app.command("archive")
def archive(id: Id, as_json: Json = False) -> None:
    """End it for good and forget its secrets."""
    _act(id, "archive", "{name} is archived.", as_json=as_json)


@app.command("deliveries")
def list_deliveries(id: Id, as_json: Json = False) -> None:
    """What was sent there, newest first, and what came of it."""
    rows = list(connect().pages(f"/integrations/{part(id)}/deliveries"))
    shown = rows if as_json else [{**row, "last": (row["tries"] or [{"problem": ""}])[-1]["problem"]} for row in rows]
    show_rows(
        shown,
        as_json=as_json,
        columns=(("id", "id"), ("what", "action"), ("status", "status"), ("tries", "tried"), ("problem", "last")),
        empty="Nothing was sent yet.",
    )


@app.command("redeliver")
def redeliver(delivery: Annotated[str, typer.Argument(help="The message's id, msg_….")], as_json: Json = False) -> None:
    """Send a message again, with the same id."""
    done = connect().call("POST", f"/deliveries/{part(delivery)}/redeliver")
    show(done, as_json=as_json, text=f"{delivery} is sent again to {done['name']}.")
