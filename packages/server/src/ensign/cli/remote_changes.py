"""`ensign changes`: change requests from propose to apply. Approving is not here, on purpose."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli import reach
from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, out, show, show_rows
from ensign.cli.remote_flags import Environment, Project, Reason, Ticket, propose, tell
from ensign.cli.remote_reviews import Take, choices, print_lines, read_json
from ensign.control.kernel.errors import Denied, Invalid

app = group(help="Change requests. Over the API. Approving needs a person in a browser, with a second factor.")

_OPEN = frozenset({"draft", "in_review", "changes_requested", "approved", "scheduled"})

Id = Annotated[str, typer.Argument(help="The request's id, crq_….")]


@app.command("list")
def list_changes(
    project: Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT")] = "",
    status: Annotated[str, typer.Option(help="draft, in_review, approved, applied, …")] = "",
    as_json: Json = False,
) -> None:
    """Change requests, newest first."""
    show_rows(
        connect().pages("/changes", query={"project": project, "status": status}),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("status", "status"),
            ("project", "project"),
            ("environment", "environment"),
            ("title", "title"),
        ),
        empty="There is no such request.",
    )


def _get(id: str) -> dict[str, Any]:
    found: dict[str, Any] = connect().call("GET", f"/changes/{part(id)}")
    return found


@app.command()
def export(
    since: Annotated[str, typer.Option("--from", help="First day or time, UTC.", show_default=False)],
    until: Annotated[str, typer.Option("--to", help="End (not included), UTC.", show_default=False)],
    project: Annotated[str, typer.Option("--project", "-p", help="One project; all without it.")] = "",
    environment: Annotated[str, typer.Option("--environment", "-e", help="One environment; all without it.")] = "",
    kind: Annotated[str, typer.Option("--format", help="csv, csv-spreadsheet or json.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; must not exist. - is standard output.")
    ] = None,
) -> None:
    """What changed in a period: who asked, who approved and when, before and after. The export becomes an entry."""
    path = output or Path(f"changes-{since[:10]}-{until[:10]}.{kind.partition('-')[0]}")
    if str(path) != "-" and path.exists():
        raise Invalid(f"{path} exists already.", remedy="Choose another name; evidence is never overwritten.")
    wanted = {"since": since, "until": until, "format": kind, "project": project or None,
              "environment": environment or None}  # fmt: skip
    content = connect().file("/exports/changes", wanted)
    if str(path) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error}", remedy="Choose a writable place.") from error
    out.print(f"Wrote {path}, SHA-256 {hashlib.sha256(content).hexdigest()}: as the log says.", markup=False)


@app.command("show")
def show_change(id: Id, as_json: Json = False) -> None:
    """One request: what it changes, who approved it, what it still needs, and how far it has come once applied."""
    found = _get(id)
    lines = [f"{found['title']} ({found['status'].replace('_', ' ')})", *("  " + s for s in found["sentences"])]
    if found["tickets"]:
        lines += [_ticket(one) for one in connect().call("GET", f"/changes/{part(id)}/tickets")]
    if found["reason"]:
        lines.append(f"reason: {found['reason']}")
    open_ = found["status"] in _OPEN
    needs = f"; {found['missing']} of {found['required']} approval(s) missing" if open_ else ""
    lines.append(f"author {found['author']}{needs}")
    lines += [f"  {said}" for said in found["lacking"]]
    lines += _times(found)
    lines += [f"approved by {a['person']} at {a['at']}{', signed' if a['signed'] else ''}"
              f"{' (void: ' + a['lost'] + ')' if a['lost'] else ''}"
              for a in found["approvals"]]  # fmt: skip
    lines += [f"conflict: {name} changed since this was written" for name in found["conflicted"]]
    if found["status"] == "applied":
        found["reach"] = connect().call("GET", f"/changes/{part(id)}/reach")
        lines += reach.lines(found["reach"])
    show(found, as_json=as_json, text="\n".join(lines))


def _times(found: dict[str, Any]) -> list[str]:
    """When it applied, or will by itself, or why it did not; when it ends if nobody applies it."""
    if found["status"] == "applied":
        return [f"applied at {found['applied_at']} by {found['applied_by']}"]
    lines = []
    timed = found["schedule"]
    if timed is not None and timed["state"] == "pending":
        lines.append(f"applies by itself at {timed['at']}, as {timed['by']}")
    elif timed is not None:
        lines.append(f"did not apply at its time, {timed['at']}: {timed['problem']}")
    if found["expires_at"] and found["status"] in _OPEN:
        lines.append(f"ends by itself at {found['expires_at']}")
    return lines


def _ticket(one: dict[str, Any]) -> str:
    """A ticket with its address and, as far as it could be read, its status."""
    status = (
        f" ({one['status']})" if one["status"] else f" (status unknown: {one['problem']})" if one["problem"] else ""
    )
    return f"ticket {one['reference']}{status}" + (f" {one['url']}" if one["url"] != one["reference"] else "")


@app.command()
def diff(id: Id, as_json: Json = False) -> None:
    """What a request changes, line by line."""
    found = _get(id)
    if as_json:
        show(found["diff"], as_json=True, text="")
        return
    for row in found["diff"]:
        out.print(row["path"], style="bold", markup=False)
        if row["before"] is not None:
            out.print(f"- {row['before']}", style="red", markup=False)
        if row["after"] is not None:
            out.print(f"+ {row['after']}", style="green", markup=False)


@app.command("propose")
def propose_change(
    project: Project,
    environment: Environment,
    file: Annotated[Path, typer.Argument(help="JSON: a list of operations; - reads standard input.")],
    reason: Reason = "",
    draft: Annotated[bool, typer.Option("--draft", help="Only keep it.")] = False,
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Propose operations from a file. They apply at once where the policy asks for no approval."""
    operations = read_json(file, what="operations")
    wish = "draft" if draft else "apply"
    made = propose(
        connect(), project=project, environment=environment, operations=operations, reason=reason, wish=wish,
        tickets=ticket,
    )  # fmt: skip
    tell(made, as_json=as_json)


def _act(id: str, verb: str, body: dict[str, Any] | None, *, as_json: bool, text: str) -> None:
    done = connect().call("POST", f"/changes/{part(id)}/{verb}", body)
    show(done, as_json=as_json, text=text.format(**done))


@app.command()
def submit(
    id: Id,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="Id of a person or group to ask to look; repeat it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a draft, or what came back, up for review."""
    _act(
        id, "submit", {"reviewers": ask or []}, as_json=as_json, text="{id} is {status}; {missing} approval(s) missing."
    )


@app.command()
def edit(
    id: Id,
    file: Annotated[
        Path | None, typer.Argument(help="JSON: the operations that it shall have; - is standard input.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Another title.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Another reason.")] = None,
    ticket: Annotated[
        list[str] | None, typer.Option("--ticket", help="The tickets that it shall name, all of them; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Edit an open request. Begins a new round: approvals given so far count no more."""
    given = {
        "title": title,
        "reason": reason,
        "tickets": ticket,
        "operations": file and read_json(file, what="operations"),
    }
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise Invalid("Nothing was given to edit.", remedy="Give a file, --title, --reason or --ticket.")
    done = connect().call("PATCH", f"/changes/{part(id)}", body)
    show(done, as_json=as_json, text="{id} is {status}, round {round}.".format(**done))


@app.command()
def comment(
    id: Id,
    text: Annotated[str, typer.Argument(help="What to say.")],
    line: Annotated[str, typer.Option(help="A line of the difference, as `ensign changes diff` names it.")] = "",
    as_json: Json = False,
) -> None:
    """Comment on a request, or on one line of its difference."""
    if not line:
        _act(id, "comments", {"comment": text}, as_json=as_json, text="Commented on {id}.")
        return
    body = {"comment": text, "line": {"digest": _get(id)["digest"], "path": line}}
    made = connect().call("POST", f"/changes/{part(id)}/threads", body)
    show(made, as_json=as_json, text=f"Commented on {line}, as {made['id']}.")


@app.command()
def approve(id: Id) -> None:
    """Always refused: an approval is an act of a person in a session, never of a token; passkeys sign in browsers."""
    raise Denied(
        "A request is approved by a person in a browser, with a recent second factor, never from here."
        " Where the policy asks for a signature, their passkey gives it there.",
        permission="change:approve",
        remedy=f"Open it there: {connect().url}/requests/{part(id)}",
        code="approval-by-token",
    )


@app.command()
def apply(id: Id, as_json: Json = False) -> None:
    """Apply an approved request."""
    _act(id, "apply", None, as_json=as_json, text="{id} is {status} (entry {entry} of the log).")


@app.command()
def withdraw(id: Id, as_json: Json = False) -> None:
    """Take back a request of yours. Final."""
    _act(id, "withdraw", None, as_json=as_json, text="{id} is {status}.")


@app.command()
def revert(id: Id, reason: Reason = "", ticket: Ticket = None, take: Take = None, as_json: Json = False) -> None:
    """Propose to undo an applied request; it passes through the same door. Later changes stay as they are."""
    client = connect()
    merge = client.call("POST", f"/changes/{part(id)}/revert/merge", {"choices": {}})
    if merge["clashes"] and not as_json:
        print_lines(merge)
    body = {"reason": reason, "tickets": ticket or [], "choices": choices(merge, take)}
    tell(client.call("POST", f"/changes/{part(id)}/revert", body), as_json=as_json)
