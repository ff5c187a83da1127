"""`ensign flags export · import · clone`: flags and segments as a file, to another place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, out, show
from ensign.cli.remote_flags import Environment, Flag, Project, Reason, Ticket
from ensign.control.kernel.errors import Invalid

Only = Annotated[list[str] | None, typer.Option("--flag", help="Only this flag; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]
KeepOff = Annotated[bool, typer.Option("--off", help="Leave every flag that is brought off.")]


def export(
    project: Project,
    environment: Environment,
    flag: Only = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; must not exist. Else printed.")] = None,
) -> None:
    """What an environment holds, as JSON that `import` takes. The export is an entry of the log."""
    if output is not None and output.exists():
        raise Invalid(f"{output} exists already.", remedy="Choose another name.")
    path = f"/projects/{part(project)}/environments/{part(environment)}/export"
    made = connect().call("POST", path, {"flags": flag or []})
    text = json.dumps(made, ensure_ascii=False, indent=1)
    if output is None:
        print(text)
        return
    try:
        output.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise Invalid(f"{output} cannot be written: {error}", remedy="Choose a writable place.") from error
    out.print(f"Wrote {len(made['flags'])} flags and {len(made['segments'])} segments to {output}.", markup=False)


def import_file(
    file: Annotated[Path, typer.Argument(help="An export of Ensign or of Unleash; - reads standard input.")],
    project: Project,
    environment: Environment,
    source_environment: Annotated[
        str, typer.Option("--from", help="Which environment of an Unleash export that holds several.")
    ] = "",
    flag: Only = None,
    off: KeepOff = False,
    dry_run: DryRun = False,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Make the flags and segments that are missing, and one change request for all content."""
    try:
        document = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{file} cannot be read: {error}", remedy="Give a file with JSON.") from error
    body = {
        "document": document, "source_environment": source_environment, "flags": flag or [], "keep_off": off,
        "reason": reason, "tickets": ticket or [],
    }  # fmt: skip
    _bring(project, environment, "import", body, dry_run=dry_run, as_json=as_json)


def clone(
    flag: Flag,
    key: Annotated[str, typer.Argument(help="The copy's key.")],
    project: Project,
    source: Annotated[str, typer.Option("--from", help="The environment whose content to take.")],
    target: Annotated[str, typer.Option("--to", help="The environment to bring it to.")],
    to_project: Annotated[str, typer.Option(help="Another project.")] = "",
    off: KeepOff = False,
    dry_run: DryRun = False,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """A flag's copy under another key, also in another project where you may make and draft."""
    body = {
        "source_project": project, "source_environment": source, "flags": [flag], "key": key, "keep_off": off,
        "reason": reason, "tickets": ticket or [],
    }  # fmt: skip
    _bring(to_project or project, target, "clone", body, dry_run=dry_run, as_json=as_json)


def copy(
    project: Project,
    source: Annotated[str, typer.Option("--from", help="The environment whose content to take.")],
    target: Annotated[str, typer.Option("--to", help="The environment to bring it to.")],
    flag: Only = None,
    off: KeepOff = False,
    dry_run: DryRun = False,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Bring all that one environment holds to another, percentages and lists too; to keep those, `changes promote`."""
    body = {
        "source_project": project, "source_environment": source, "flags": flag or [], "keep_off": off,
        "reason": reason, "tickets": ticket or [],
    }  # fmt: skip
    _bring(project, target, "clone", body, dry_run=dry_run, as_json=as_json)


def _bring(project: str, environment: str, verb: str, body: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    path = f"/projects/{part(project)}/environments/{part(environment)}/{verb}"
    made = connect().call("POST", path, body, query={"dry_run": "true" if dry_run else ""})
    lines = [
        f"{row['outcome']:<10} {'segment ' if row['kind'] == 'segment' else ''}{row['key']}"
        f"{': ' + row['why'] if row['why'] else ''}"
        for row in made["rows"]
    ]
    lines += [f"note: {note}" for note in made["notes"]]
    lines += made["sentences"]
    if dry_run:
        lines.append(made["verdict"] or "No content differs.")
    elif made["request"]:
        lines.append(f"{made['request']} is {made['status'].replace('_', ' ')}.")
    else:
        lines.append("No content differs, so there is no request.")
    show(made, as_json=as_json, text="\n".join(lines))


def add_to(flags: typer.Typer) -> None:
    """Put the commands under `ensign flags`."""
    flags.command()(export)
    flags.command("import")(import_file)
    flags.command()(clone)
    flags.command()(copy)
