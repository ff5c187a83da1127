"""`ensign policies`: what changes must meet, and policies as code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Exit, Json, group, out, show, show_rows
from ensign.control.kernel.errors import Invalid

app = group(help="Approval policies: what changes must meet, since when, and as code. Over the API.")

Project = Annotated[str, typer.Argument(help="The project's key.", envvar="ENSIGN_PROJECT")]
Environment = Annotated[str, typer.Argument(help="The environment's key.")]
File = Annotated[Path, typer.Argument(help="YAML; - reads standard input.")]


@app.command("list")
def list_policies(project: Project, as_json: Json = False) -> None:
    """The policies of a project, in words."""
    rows = connect().call("GET", f"/projects/{part(project)}/policies")
    if as_json:
        show(rows, as_json=True, text="")
        return
    for row in rows:
        _tell(row)


@app.command("show")
def show_policy(project: Project, environment: Environment, as_json: Json = False) -> None:
    """One policy, in words; with --json whole, as `policy.set` takes it."""
    found = connect().call("GET", f"/projects/{part(project)}/environments/{part(environment)}/policy")
    if as_json:
        show(found, as_json=True, text="")
    else:
        _tell(found)


def _tell(row: dict[str, Any]) -> None:
    out.print(f"{row['environment']}{' (protected)' if row['protected'] else ''}", style="bold", markup=False)
    for label, words in row["words"].items():
        out.print(f"  {label}: {words}", markup=False)
    if row["frozen_until"]:
        out.print(f"  frozen now, until {row['frozen_until']}", markup=False)


@app.command()
def timeline(
    project: Project,
    environment: Environment,
    kind: Annotated[str, typer.Option("--format", help="Also as a file: csv or json, to standard output.")] = "",
    as_json: Json = False,
) -> None:
    """Every value that a policy ever had, from when to when and by whom. A file is an export, and becomes an entry."""
    if kind:
        wanted = {"format": f"timeline-{kind}", "environment": environment}
        sys.stdout.buffer.write(connect().file(f"/projects/{part(project)}/policies/export", wanted))
        return
    rows = connect().call("GET", f"/projects/{part(project)}/environments/{part(environment)}/policy/timeline")
    columns = (("member", "member"), ("value", "value"), ("from", "since"), ("to", "until"), ("by", "by"))
    show_rows(rows, as_json=as_json, columns=columns, empty="There is no policy.")


@app.command()
def export(project: Project) -> None:
    """All policies of a project as YAML, to standard output. The export becomes an entry."""
    sys.stdout.buffer.write(connect().file(f"/projects/{part(project)}/policies/export", {"format": "yaml"}))


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise Invalid(
            f"{file} cannot be read: {error}", remedy="Give a file that ensign policies export made."
        ) from error


@app.command()
def plan(project: Project, file: File, as_json: Json = False) -> None:
    """What a file would change, and what would have been decided differently over the last 90 days.

    Ends with 8 when something would change.
    """
    found = connect().call("POST", f"/projects/{part(project)}/policies/plan", {"yaml": _text(file)})
    if as_json:
        show(found, as_json=True, text="")
    elif not found:
        out.print("Nothing would change: the policies in force are those of the file.")
    for one in [] if as_json else found:
        _tell_plan(one)
    if found:
        raise typer.Exit(int(Exit.FINDINGS))


def _tell_plan(one: dict[str, Any]) -> None:
    out.print(one["environment"], style="bold", markup=False)
    for row in one["rows"]:
        out.print(f"  {row['member']}", markup=False)
        if row["before"] is not None:
            out.print(f"  - {row['before']}", style="red", markup=False)
        if row["after"] is not None:
            out.print(f"  + {row['after']}", style="green", markup=False)
    if one["weakens"]:
        out.print(f"  asks for less: {'; '.join(one['weakens'])}", style="yellow", markup=False)
    out.print(
        f"  of {one['looked']} changes in the last 90 days, {len(one['differences'])} would have been decided"
        f" differently ({one['held_then']} of the applied held back; {one['held_now']} by the present policy)",
        markup=False,
    )
    for change in one["differences"]:
        verdict = "held back" if change["held"] else "let through"
        lacks = f": lacks {', '.join(change['lacks'])}" if change["lacks"] else ""
        out.print(f"    {change['request']} {change['title']} ({change['status']}): {verdict}{lacks}", markup=False)
    for text, number in one["unsaid"].items():
        out.print(f"  cannot be said of {number}: {text}", markup=False)


@app.command()
def apply(
    project: Project,
    file: File,
    reason: Annotated[str, typer.Option(help="Why, for the reviewer and the log.")] = "",
    ticket: Annotated[list[str] | None, typer.Option(help="What it is for; may be given several times.")] = None,
    as_json: Json = False,
) -> None:
    """Propose what a file asks for: a change request for each environment that differs."""
    body = {"yaml": _text(file), "reason": reason, "tickets": ticket or []}
    made = connect().call("POST", f"/projects/{part(project)}/policies/apply", body)
    show_rows(
        made,
        as_json=as_json,
        columns=(("environment", "environment"), ("request", "request"), ("status", "status"), ("refused", "refused")),
        empty="Nothing to propose: the policies in force are those of the file.",
    )
    if any(one["refused"] for one in made):
        raise typer.Exit(int(Exit.CONFLICT))
