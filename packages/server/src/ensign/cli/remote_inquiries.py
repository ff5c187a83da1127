"""`ensign access who-can · what-can · diff · export`: who can do what, now or at any moment."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli.client import Client, connect
from ensign.cli.frame import Json, out, show, show_rows
from ensign.control.kernel.errors import Invalid, NotFound

AsOf = Annotated[
    str,
    typer.Option("--as-of", help="A date (its beginning, 00:00 UTC) or a time with its zone. Now, without it."),
]
_Scope = Annotated[str, typer.Argument(help="project or project/environment; the organisation without it.")]
_Project = Annotated[str | None, typer.Option("--project", "-p", help="The same as SCOPE, apart.")]
_Environment = Annotated[str | None, typer.Option("--environment", "-e", help="The same as SCOPE, apart.")]


def _place(scope: str, project: str | None, environment: str | None) -> dict[str, str | None]:
    if scope and (project or environment):
        raise Invalid("The place is named twice.", remedy="Give SCOPE, or --project and --environment.")
    if scope:
        project, _, environment = scope.partition("/")
    return {"project": project or None, "environment": environment or None}


def who_can(
    permission: Annotated[str, typer.Argument(help="For example change:approve.")],
    scope: _Scope = "",
    project: _Project = None,
    environment: _Environment = None,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Everybody who holds a permission somewhere, through which grant, given by whom; now or at any moment."""
    query = {"permission": permission, "as_of": as_of, **_place(scope, project, environment)}
    found = connect().call("GET", "/access/who-can", query=query)
    if as_json:
        show(found, as_json=True, text="")
        return
    rows = [_line(grant, who=holder["name"]) for holder in found["items"] for grant in holder["grants"]]
    _answer(found, rows, empty="Nobody.")


def what_can(
    person: Annotated[str, typer.Argument(help="Id of a person or service account, or an e-mail address.")],
    scope: Annotated[str, typer.Option(help="Only what counts in project or project/environment.")] = "",
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Every role that somebody holds, directly or by a group; now or at any moment."""
    client = connect()
    query = {"subject": _id(client, person), "as_of": as_of, **_place(scope, None, None)}
    found = client.call("GET", "/access/what-can", query=query)
    if as_json:
        show(found, as_json=True, text="")
        return
    _answer(found, [_line(one["grant"]) for one in found["items"]], empty="No role in force.")


def diff(
    since: Annotated[str, typer.Argument(help="A date (its beginning, 00:00 UTC) or a time with its zone.")],
    until: Annotated[str, typer.Argument(help="The same; now, without it.")] = "",
    as_json: Json = False,
) -> None:
    """What access differs by between two moments: roles gained, lost and altered, and why."""
    found = connect().call("GET", "/access/changes", query={"since": since, "until": until})
    if as_json:
        show(found, as_json=True, text="")
        return
    rows = [{**_line(one["grant"], who=one["name"]), **one} for one in found["items"]]
    columns = (("", "change"), ("who", "who"), ("role", "role"), ("where", "where"), ("because", "because"))
    show_rows(rows, as_json=False, columns=columns, empty="Nothing differs.")


def export(
    permission: Annotated[str, typer.Option(help="Only who holds this permission in SCOPE.")] = "",
    scope: _Scope = "",
    subject: Annotated[str, typer.Option(help="Only this person or service account.")] = "",
    as_of: AsOf = "",
    kind: Annotated[str, typer.Option("--format", help="csv, csv-spreadsheet or json.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; must not exist. - is standard output.")
    ] = None,
) -> None:
    """Everybody's roles as a file for an auditor; the export becomes an entry."""
    path = output or Path(f"access-{(as_of or 'now')[:10]}.{kind.partition('-')[0]}")
    if str(path) != "-" and path.exists():
        raise Invalid(f"{path} exists already.", remedy="Choose another name; evidence is never overwritten.")
    wanted = {"permission": permission, "subject": subject, "as_of": as_of, "format": kind, **_place(scope, None, None)}
    content = connect().file("/exports/access", wanted)
    if str(path) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error}", remedy="Choose a writable place.") from error
    out.print(f"Wrote {path}, SHA-256 {hashlib.sha256(content).hexdigest()}: as the log says.", markup=False)


def add_to(app: typer.Typer) -> None:
    """Make these commands of ``app``."""
    app.command("who-can")(who_can)
    app.command("what-can")(what_can)
    app.command("diff")(diff)
    app.command("export")(export)


def _id(client: Client, person: str) -> str:
    if "@" not in person:
        return person
    for one in client.pages("/people"):
        if one["email"] == person.strip().lower():
            return str(one["id"])
    raise NotFound("Nobody here has this e-mail address.", remedy="See `ensign access people`.")


def _line(grant: Mapping[str, Any], *, who: str = "") -> dict[str, Any]:
    place = "/".join(part for part in (grant["project"], grant["environment"]) if part)
    return {
        "who": who,
        "role": grant["role"],
        "where": place or "everywhere",
        "via": grant["via_name"],
        "since": grant["since"][:16].replace("T", " "),
        "until": (grant["ends_at"] or "no end")[:16].replace("T", " "),
        "by": list(dict.fromkeys([grant["granted_by_name"], *grant["approved_by_names"]])),
        "reason": grant["reason"],
        "entry": grant["entry"],
    }


def _answer(found: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], *, empty: str) -> None:
    listed = list(rows)
    columns = [
        ("who", "who"),
        ("role", "role"),
        ("where", "where"),
        ("by group", "via"),
        ("since", "since"),
        ("until", "until"),
        ("given, confirmed by", "by"),
        ("why", "reason"),
        ("entry", "entry"),
    ]
    columns = [(title, name) for title, name in columns if any(row[name] for row in listed)]
    show_rows(listed, as_json=False, columns=columns, empty=empty)
    log = found["log"]
    source = "the log alone" if log["derived_from"] == "log" else "the rows"
    out.print(f"As of {found['as_of']}, from {source}: {log['size']:,} entries, root {log['root'][:16]}…", markup=False)
    if found["unreadable"]:
        out.print(f"Not counted, as redacted: {', '.join(found['unreadable'])}", markup=False)
