"""`ensign changes`, the part of reviewing: checks, threads, reviewers, conflicts and what a change would do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Exit, Json, out, show
from ensign.control.kernel.errors import Invalid

Id = Annotated[str, typer.Argument(help="The request's id, crq_….")]
Take = Annotated[
    list[str] | None,
    typer.Option("--take", help="KEY=mine or KEY=theirs, for a line that clashes; or mine or theirs, for all of them."),
]
_SIGNS = {"blocks": ("✗", "red"), "waits": ("…", "yellow"), "warns": ("!", "yellow")}


def read_json(file: Path, *, what: str) -> list[dict[str, Any]]:
    """A JSON list of objects from a file, or from standard input where it is ``-``.

    :raises Invalid: when it is none.
    """
    try:
        values = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{file} cannot be read: {error}", remedy=f"Give a file with a JSON list of {what}.") from error
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise Invalid(f"{file} does not hold a list of {what}.", remedy="Write [{…}, …].")
    return values


def check(
    target: Annotated[str, typer.Argument(help="A request's id, or a file with operations (- is standard input).")],
    project: Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT", help="For a file.")] = "",
    environment: Annotated[str, typer.Option("--environment", "-e", help="For a file.")] = "",
    title: Annotated[str, typer.Option(help="The title that it would have.")] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="The reason that it would have.")] = "",
    ticket: Annotated[
        list[str] | None, typer.Option("--ticket", help="A ticket that it would name; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything that would stand in a change's way, before it is submitted. Exit code 6 when it would be refused."""
    if target.startswith("crq_"):
        report = connect().call("GET", f"/changes/{part(target)}/check")
    else:
        if not project or not environment:
            raise Invalid("For a file, say where: --project and --environment.")
        body = {"operations": read_json(Path(target), what="operations"), "title": title, "reason": reason}
        body["tickets"] = ticket or []
        path = f"/projects/{part(project)}/environments/{part(environment)}/changes/check"
        report = connect().call("POST", path, body)
    if as_json:
        show(report, as_json=True, text="")
    else:
        _print_report(report)
    if report["blocked"]:
        raise typer.Exit(Exit.CONFLICT)


def _print_report(report: dict[str, Any]) -> None:
    for sentence in report["sentences"]:
        out.print(sentence, markup=False)
    for finding in report["findings"]:
        sign, colour = _SIGNS[finding["level"]]
        rule = f" [{finding['rule']}]" if finding["rule"] else ""
        out.print(f"{sign} {finding['message']}{rule}", style=colour, markup=False)
        if finding["remedy"]:
            out.print(f"  {finding['remedy']}", markup=False)
    for estimate in report["estimates"]:
        out.print(f"estimate: {estimate['sentence']}", markup=False)
    out.print(report["verdict"], markup=False)


def choices(merge: dict[str, Any], take: list[str] | None) -> dict[str, str]:
    """``--take`` as choices; a side without a key is for every line that has none."""
    chosen: dict[str, str] = {}
    rest = ""
    for text in take or []:
        key, sign, side = text.rpartition("=")
        if side not in {"mine", "theirs"}:
            raise Invalid(f"--take {text}: the side is mine or theirs.", remedy="Write KEY=mine, or theirs.")
        if sign:
            chosen[key] = side
        else:
            rest = side
    known = {line["key"]: line for line in merge["lines"] if line["state"] == "clash"}
    unknown = sorted(chosen.keys() - known.keys())
    if unknown:
        raise Invalid(f"No line {unknown[0]} clashes.", remedy=f"Those that do: {', '.join(known) or 'none'}.")
    if rest:
        chosen = {**{key: line["only"] or rest for key, line in known.items()}, **chosen}
    return chosen


def print_lines(merge: dict[str, Any]) -> None:
    """Both sides of a merge, line by line, with what to write for each clash."""
    words = {"mine": "mine", "theirs": "theirs", "same": "both the same", "clash": "CLASH"}
    for line in merge["lines"]:
        colour = "red" if line["state"] == "clash" else None
        out.print(f"{words[line['state']]}: {line['path']}", style=colour, markup=False)
        sides = " | ".join(f"{s} {line[s] if line[s] is not None else 'not there'}" for s in ("base", "theirs", "mine"))
        out.print(f"  {sides}", markup=False)
        if line["state"] == "clash":
            out.print(f"  --take '{line['key']}=mine' or '{line['key']}=theirs'", markup=False)


def rebase(
    id: Id,
    take: Take = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show both sides.")] = False,
    as_json: Json = False,
) -> None:
    """Carry a request over to what others changed since, line by line. Voids its approvals."""
    client = connect()
    merge = client.call("POST", f"/changes/{part(id)}/merge", {"choices": {}})
    if dry_run:
        if as_json:
            show(merge, as_json=True, text="")
        else:
            print_lines(merge)
        return
    if not as_json:
        print_lines(merge)
    done = client.call("POST", f"/changes/{part(id)}/rebase", {"choices": choices(merge, take)})
    show(done, as_json=as_json, text="{id} is {status}, round {round}: it is reviewed anew.".format(**done))


def threads(id: Id, as_json: Json = False) -> None:
    """What was said about a request, with the lines that it is about."""
    found = connect().call("GET", f"/changes/{part(id)}/threads")
    if as_json:
        show(found, as_json=True, text="")
        return
    for one in found:
        where = f" on {one['path']}" if one["path"] else ""
        where += " (an earlier version)" if one["outdated"] else ""
        indent = "  " if one["parent"] else ""
        done = "; resolved" if one["resolved_by"] else ""
        out.print(f"{indent}{one['id']} {one['author']}{where}{done}", style="bold", markup=False)
        out.print(f"{indent}{one['text']}", markup=False)


def reply(
    id: Id,
    comment: Annotated[str, typer.Argument(help="The comment's id, cmt_….")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    as_json: Json = False,
) -> None:
    """Reply in a thread."""
    made = connect().call("POST", f"/changes/{part(id)}/threads", {"comment": text, "reply_to": comment})
    show(made, as_json=as_json, text=f"Replied, as {made['id']}.")


def resolve(
    id: Id,
    comment: Annotated[str, typer.Argument(help="Any comment of the thread, cmt_….")],
    reopen: Annotated[bool, typer.Option("--reopen", help="Open it again instead.")] = False,
    as_json: Json = False,
) -> None:
    """Mark a thread as settled."""
    verb = "reopen" if reopen else "resolve"
    done = connect().call("POST", f"/changes/{part(id)}/threads/{part(comment)}/{verb}")
    show(done, as_json=as_json, text="Open again." if reopen else "Resolved.")


def reviewers(
    id: Id,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="Id of a person or group; repeat it. All who shall be asked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Who can be asked to look, and with --ask ask them. Voids no approval."""
    client = connect()
    if ask:
        done = client.call("PUT", f"/changes/{part(id)}/reviewers", {"reviewers": ask})
        show(done, as_json=as_json, text=f"Asked: {', '.join(done['reviewers'])}.")
        return
    found = client.call("GET", f"/changes/{part(id)}/reviewers")
    lines = []
    for one in found:
        notes = [note for note in ("may approve" if one["entitled"] else "", one["why"]) if note]
        lines.append("  ".join([one["id"], one["name"], *notes]))
    show(found, as_json=as_json, text="\n".join(lines) or "Nobody else may see this project.")


def rounds(id: Id, as_json: Json = False) -> None:
    """What was proposed in each round of a review."""
    found = connect().call("GET", f"/changes/{part(id)}/rounds")
    if as_json:
        show(found, as_json=True, text="")
        return
    for one in found:
        out.print(f"Round {one['round']}, {one['began_at']}", style="bold", markup=False)
        for row in one["diff"]:
            before, after = (row[side] if row[side] is not None else "not there" for side in ("before", "after"))
            out.print(f"  {row['path']}: {before} → {after}", markup=False)


def try_it(
    id: Id,
    file: Annotated[Path, typer.Argument(help='JSON: a list of contexts, [{"userId": "7"}]; - is standard input.')],
    as_json: Json = False,
) -> None:
    """What given contexts get before and after a request, by the engine that SDKs have. Nothing of them is kept."""
    contexts = read_json(file, what="contexts")
    found = connect().call("POST", f"/changes/{part(id)}/try", {"contexts": contexts})
    if as_json:
        show(found, as_json=True, text="")
        return
    for one in found:
        sides = [
            ("on" if side["enabled"] else "off") + (f" as {side['variant']}" if side["variant"] else "")
            for side in (one["before"], one["after"])
        ]
        sign = "~" if one["differs"] else " "
        out.print(f"{sign} context {one['context'] + 1}, {one['flag']}: {sides[0]} → {sides[1]}", markup=False)


def add_to(app: typer.Typer) -> None:
    """The commands of reviewing, in ``ensign changes``."""
    for command in (check, rebase, threads, reply, resolve, reviewers, rounds):
        app.command()(command)
    app.command("try")(try_it)
