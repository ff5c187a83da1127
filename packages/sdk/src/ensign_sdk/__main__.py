"""`python -m ensign_sdk --what-is-sent`: print every byte that the SDK sends while it serves an application."""

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from ensign_sdk._internal.rehearsal import rehearsal
from ensign_sdk._internal.transcript import Transcript, scalars
from ensign_sdk.client import Client

CONTEXT = {"userId": "ada@example.com", "remoteAddress": "203.0.113.9", "properties": {"plan": "gold-2031"}}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 1 when a value of the context was among the bytes."""
    parser = argparse.ArgumentParser(prog="python -m ensign_sdk", description=__doc__)
    parser.add_argument("--what-is-sent", action="store_true", required=True, help="print every byte that is sent")
    parser.add_argument("--url", help="the server; without it, one inside this process stands in for it")
    parser.add_argument("--token", help="a backend token for --url")
    parser.add_argument("--app-name", default="what-is-sent")
    parser.add_argument("--flag", default="example", help="the flag to evaluate")
    parser.add_argument("--context", type=_context, default=CONTEXT, help="the context to evaluate it for, as JSON")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the server")
    given = parser.parse_args(arguments)
    if (given.url is None) != (given.token is None):
        parser.error("give --url and --token together")
    transcript = Transcript(_write)
    with rehearsal() if given.url is None else nullcontext(given.url) as url:
        try:
            client = Client(
                url=url, token=given.token or "shop:development.secret", app_name=given.app_name,
                cache_dir=False, what_is_sent=transcript.show, timeout=given.timeout, start=False,
            )  # fmt: skip
        except ValueError as problem:
            parser.error(str(problem))
        where = "a server inside this process" if given.url is None else given.url
        transcript.say(f"a client starts, for {where}; the token is shown as <token>, https before it is encrypted")
        _serve(client, given, transcript)
    return _conclude(transcript, given.context)


def _serve(client: Client, given: argparse.Namespace, transcript: Transcript) -> None:
    """What an application does: start, ask, end."""
    client.start()
    with client:
        if not client.wait_until_ready(given.timeout):
            print(f"no rules: {client.status().error}", file=sys.stderr)
        for ask in (client.is_enabled, client.get_variant):
            transcript.say(f"{ask.__name__}({given.flag!r}, {json.dumps(given.context)}): nothing is sent for it")
            ask(given.flag, given.context)
        transcript.say("the client is closed: the counts are sent")


def _conclude(transcript: Transcript, context: Mapping[str, Any]) -> int:
    transcript.say(f"that was all: {transcript.requests} requests, {transcript.size} bytes")
    found = transcript.found(context)
    if found:
        transcript.say(f"values of the context are among them: {', '.join(found)}")
        return 1
    names = ", ".join(name for name, _ in scalars(context))
    transcript.say(f"no value of the context is among them ({names or 'there are none to look for'})")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _context(text: str) -> Mapping[str, Any]:
    try:
        context = json.loads(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"not JSON: {problem}") from None
    if not isinstance(context, dict):
        raise argparse.ArgumentTypeError("the context must be a JSON object")
    return context


if __name__ == "__main__":
    raise SystemExit(main())
