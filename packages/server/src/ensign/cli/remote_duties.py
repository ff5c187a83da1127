"""`ensign access request · requests · withdraw · approve · exceptions · duties · findings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Exit, Json, show, show_rows
from ensign.control.kernel.errors import Denied, Invalid

_UNITS = {"m": 1, "h": 60, "d": 1440}
_Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; stands in the log.")]
_Id = Annotated[str, typer.Argument(help="The request's id, arq_….")]


def request(
    role: Annotated[str, typer.Argument(help="The role that you need.")],
    scope: Annotated[str, typer.Argument(help="project or project/environment; everywhere without it.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="How long: 90m, 8h or 3d; at most 30d.")] = "8h",
    reason: _Reason = "",
    as_json: Json = False,
) -> None:
    """Ask for a role for yourself, for a while; somebody who may give it answers."""
    project, _, environment = scope.partition("/")
    body = {"role": role, "project": project or None, "environment": environment or None, "minutes": _minutes(lasts)}
    asked = connect().call("POST", "/access/requests", {**body, "reason": reason})
    show(asked, as_json=as_json, text=f"Asked: {asked['id']}. It waits until {asked['expires_at'][:16]} for an answer.")


def requests(
    status: Annotated[str, typer.Option(help="open, granted, refused, withdrawn or expired.")] = "",
    as_json: Json = False,
) -> None:
    """Requests for access, newest first: all for who may see people, else your own."""
    rows = [_request_row(one) for one in connect().pages("/access/requests", query={"status": status})]
    columns = [(name, name) for name in ("id", "role", "where", "subject", "requested_by", "status", "missing")]
    show_rows(rows, as_json=as_json, columns=columns, empty="No request.")


def withdraw(id: _Id, as_json: Json = False) -> None:
    """Take back a request of yours."""
    done = connect().call("POST", f"/access/requests/{part(id)}/withdraw")
    show(done, as_json=as_json, text=f"{done['id']} is withdrawn.")


def approve(id: _Id) -> None:
    """Always refused (exit code 5): an answer about access is given in person."""
    raise Denied(
        f"Nobody approves {id} from here: it takes a person in a session with a second factor.",
        permission="org:access:grant",
        remedy=f"Open {connect().url}/access/requests/{part(id)}",
        code="approval-by-token",
    )


def exceptions(subject: Annotated[str, typer.Option(help="Only of this person.")] = "", as_json: Json = False) -> None:
    """Exceptions from segregation of duties, ended ones included. They are proposed and approved in the pages."""
    columns = [(name, name) for name in ("id", "subject", "pairs", "project", "status", "in_force", "expires_at")]
    rows = connect().pages("/access/exceptions", query={"subject": subject})
    show_rows(rows, as_json=as_json, columns=columns, empty="No exception.")


def duties(as_json: Json = False) -> None:
    """What nobody holds together."""
    columns = (("pair", "key"), ("one of", "one"), ("with one of", "other"))
    show_rows(connect().pages("/access/duties"), as_json=as_json, columns=columns, empty="Nothing.")


def findings(as_json: Json = False) -> None:
    """What somebody has to put right; ends with exit code 8 when there is anything."""
    rows = list(connect().pages("/access/findings"))
    columns = (("code", "code"), ("what", "title"), ("what to do", "remedy"), ("since", "since"))
    show_rows(rows, as_json=as_json, columns=columns, empty="Nothing to put right.")
    if rows:
        raise typer.Exit(int(Exit.FINDINGS))


def add_to(app: typer.Typer) -> None:
    """Make these commands of ``app``."""
    for command in (request, requests, withdraw, approve, exceptions, duties, findings):
        app.command()(command)


def _request_row(one: Mapping[str, Any]) -> dict[str, Any]:
    first = one["roles"][0] if one["roles"] else {"project": None, "environment": None}
    place = "/".join(part for part in (first["project"], first["environment"]) if part) or "everywhere"
    missing = one["needed"] - len(one["approvals"]) if one["status"] == "open" else 0
    return {**one, "role": [role["role"] for role in one["roles"]], "where": place, "missing": missing}


def _minutes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if found is None:
        raise Invalid(f"{text} is no length of time.", remedy="Write 90m, 8h or 3d.")
    return int(found[1]) * _UNITS[found[2]]
