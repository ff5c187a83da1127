"""`ensign directory`, and what `ensign access` says about leavers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensign.cli.client import connect
from ensign.cli.frame import Json, group, show, show_rows
from ensign.control.kernel.errors import Invalid

app = group(help="The directory that makes and removes people (SCIM). Over the API.")

_Since = Annotated[str, typer.Option(help="First day or time, UTC.")]
_Until = Annotated[str, typer.Option(help="Day or time at which the period ends, UTC; not included.")]


@app.command()
def status(as_json: Json = False) -> None:
    """Whether a directory is connected, and what it has made."""
    found = connect().call("GET", "/directory")
    text = (
        f"{found['address']}: {'a token works' if found['connected'] else 'no token works'}; {found['users']} people,"
        f" {found['active']} active; {found['groups']} groups; last change {found['changed_at'] or 'never'}."
    )
    show(found, as_json=as_json, text=text)


@app.command()
def tokens(as_json: Json = False) -> None:
    """Its tokens, without their secrets. They are made and rotated signed in: no token makes another."""
    show_rows(
        connect().pages("/directory/tokens"),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("name", "name"),
            ("begins with", "hint"),
            ("status", "status"),
            ("expires", "expires_at"),
            ("last used", "last_used_at"),
        ),
        empty="There is no token.",
    )


@app.command()
def refusals(as_json: Json = False) -> None:
    """The last errors answered to it, without what was sent."""
    show_rows(
        connect().pages("/directory/refusals"),
        as_json=as_json,
        columns=(
            ("at", "at"),
            ("request", "method"),
            ("place", "place"),
            ("about", "subject"),
            ("status", "status"),
            ("kind", "kind"),
            ("message", "message"),
        ),
        empty="Nothing was refused.",
    )


def leavers(
    since: _Since,
    until: _Until,
    csv: Annotated[Path | None, typer.Option(help="Write all columns to this file; the export is an entry.")] = None,
    as_json: Json = False,
) -> None:
    """Who left in a period, and how soon they were out. Late ones and others that stand out are marked."""
    period = {"since": _instant(since), "until": _instant(until)}
    if csv is not None:
        _export("/access/leavers/export", period, csv, as_json=as_json)
        return
    rows = [{**one, "marks": ", ".join(one["exceptions"])} for one in connect().pages("/access/leavers", query=period)]
    show_rows(
        rows,
        as_json=as_json,
        columns=(
            ("person", "person_id"),
            ("name", "name"),
            ("employment ended", "termination_at"),
            ("directory", "idp_disabled_at"),
            ("out", "platform_disabled_at"),
            ("hours", "latency_h"),
            ("afterwards", "activity_after_termination"),
            ("exceptions", "marks"),
        ),
        empty="Nobody left.",
    )


def movements(
    since: _Since,
    until: _Until,
    csv: Annotated[Path | None, typer.Option(help="Write all columns to this file; the export is an entry.")] = None,
    as_json: Json = False,
) -> None:
    """Who joined, came back or moved in a period: who asked and approved, roles before and at its end."""
    period = {"since": _instant(since), "until": _instant(until)}
    if csv is not None:
        _export("/access/movements/export", period, csv, as_json=as_json)
        return
    rows = [
        {
            **one,
            "who": one["name"] or one["person_id"],
            "before": "; ".join(one["old_roles"]),
            "after": "; ".join(one["new_roles"]),
            "marks": ", ".join(one["exceptions"]),
        }
        for one in connect().pages("/access/movements", query=period)
    ]
    show_rows(
        rows,
        as_json=as_json,
        columns=(
            ("who", "who"),
            ("event", "event"),
            ("when", "effective_at"),
            ("before", "before"),
            ("at the end", "after"),
            ("old ones ended", "old_removed_at"),
            ("exceptions", "marks"),
        ),
        empty="Nobody came or moved.",
    )


def _export(path: str, period: dict[str, str], csv: Path, *, as_json: bool) -> None:
    if csv.exists():
        raise Invalid(f"{csv} exists already.", remedy="Choose another name; evidence is never overwritten.")
    csv.write_bytes(connect().file(path, period))
    show({"file": str(csv)}, as_json=as_json, text=f"Written to {csv}.")


def _instant(text: str) -> str:
    """A day is its midnight."""
    return f"{text}T00:00:00Z" if len(text) == 10 else text
