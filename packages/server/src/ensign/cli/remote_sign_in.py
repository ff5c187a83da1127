"""`ensign access logins`, and `ensign access rules`."""

from __future__ import annotations

from typing import Annotated

import typer

from ensign.cli.client import connect
from ensign.cli.frame import Json, group, show, show_rows
from ensign.cli.remote_flags import Reason

rules = group(help="How people sign in. Read over the API; reset on the server itself.")


def logins(
    person: Annotated[str, typer.Option(help="Only of this person, by id.")] = "",
    outcome: Annotated[
        str, typer.Option(help="Only these: signed-in, refused, blocked, unblocked, proved or ended.")
    ] = "",
    since: Annotated[str, typer.Option("--from", help="RFC 3339, such as 2026-01-01T00:00:00Z.")] = "",
    until: Annotated[str, typer.Option("--to", help="End (not included), the same.")] = "",
    as_json: Json = False,
) -> None:
    """The history of signing in, newest first, however long ago."""
    query = {"person": person, "outcome": outcome, "since": since, "until": until, "limit": 500}
    show_rows(
        connect().pages("/sign-ins", query={name: value for name, value in query.items() if value}),
        as_json=as_json,
        columns=(
            ("at", "at"),
            ("person", "person"),
            ("name", "name"),
            ("what", "outcome"),
            ("how", "way"),
            ("address", "address"),
            ("entry", "entry"),
        ),
        empty="There is no such sign-in.",
    )


@rules.command("show")
def show_rules(as_json: Json = False) -> None:
    """The rules in force. They are decided on in a session: no token may."""
    found = connect().call("GET", "/sign-in-rules")
    lines = [f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in found.items()]
    show(found, as_json=as_json, text="\n".join(lines))


@rules.command("history")
def rules_history(as_json: Json = False) -> None:
    """Every decision on the rules: what was in force when, and by whom."""
    rows = [
        {
            **one,
            "changes": "; ".join(f"{d['title']}: {d['before']} → {d['after']}" for d in one["differences"]),
            "until": one["until"] or "in force",
        }
        for one in connect().pages("/sign-in-rules/history")
    ]
    show_rows(
        rows,
        as_json=as_json,
        columns=(("from", "at"), ("until", "until"), ("by", "by_name"), ("changes", "changes"), ("entry", "entry")),
        empty="Nobody has decided yet: the defaults hold.",
    )


@rules.command("reset")
def reset_rules(reason: Reason = "", as_json: Json = False) -> None:
    """Bring the default rules back, on this machine's database: when the rules shut everybody out. It is logged."""
    from ensign.cli import local  # deferred: only this command opens the database

    local.set_up()
    from ensign.cli import rules_recovery  # deferred: it reads the settings that were just set up

    rules_recovery.reset(reason=reason, as_json=as_json)
