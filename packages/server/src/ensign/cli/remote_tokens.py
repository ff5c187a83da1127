"""`ensign tokens rotate`, `all`, `export` and `rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli import ci as ci  # its command belongs to the same group
from ensign.cli.client import connect, part
from ensign.cli.frame import Json, show, show_rows
from ensign.cli.remote_access import tokens as tokens  # main mounts the group from here
from ensign.cli.remote_flags import Reason
from ensign.control.kernel.errors import NotFound

_Kind = Annotated[str, typer.Option(help="personal, service, federated, directory, backend, frontend or edge.")]


@tokens.command()
def rotate(
    token: Annotated[
        str, typer.Argument(help="The token's id, tok_…, also a client token's. Empty: the one in ENSIGN_TOKEN.")
    ] = "",
    overlap: Annotated[float, typer.Option(min=0, max=168, help="For how many hours both work; 0 ends it now.")] = 24,
    days: Annotated[int | None, typer.Option(min=1, help="Lifetime of the successor, not for client tokens.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Make a successor of the same scope; prints its text once. The token itself ends after the overlap."""
    client = connect()
    id = token or str(client.call("GET", "/whoami")["token"])
    body: dict[str, Any] = {"overlap_minutes": round(overlap * 60), "reason": reason}
    try:
        made = client.call("POST", f"/tokens/{part(id)}/rotate", {**body, "days": days})
    except NotFound:
        if not token or days is not None:
            raise
        made = client.call("POST", f"/client-tokens/{part(id)}/rotate", body)
    old = made["rotated"]
    end = "has ended" if old["status"] == "revoked" else f"goes on until {old['expires_at']}"
    text = f"{made['token']}\nKeep it now: it is not shown again. {old['id']} {end}."
    show(made, as_json=as_json, text=text)


@tokens.command("all")
def all_tokens(
    kind: _Kind = "",
    state: Annotated[str, typer.Option(help="active, rotating, expired, revoked or all.")] = "",
    as_json: Json = False,
) -> None:
    """Every token of the installation, without secrets. For administrators and auditors."""
    show_rows(
        connect().pages("/token-inventory", query={"kind": kind, "state": state}),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("kind", "kind"),
            ("name", "name"),
            ("owner", "owner_name"),
            ("scope", "scope"),
            ("state", "state"),
            ("expires", "expires_at"),
            ("last used", "last_used_at"),
        ),
        empty="There is no such token.",
    )


@tokens.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    format: Annotated[str, typer.Option(help="csv or json.")] = "csv",
    kind: _Kind = "",
    state: Annotated[str, typer.Option(help="active, rotating, expired, revoked or all.")] = "all",
) -> None:
    """The list of all tokens as a file; the export is an entry."""
    data = connect().file("/exports/tokens", {"format": format, "kind": kind, "state": state})
    file.write_bytes(data)
    show(None, as_json=False, text=f"Wrote {file} ({len(data):,} bytes).")


@tokens.command()
def rules(
    max_days: Annotated[int | None, typer.Option(min=1, help="Choose: a client token ends after so many days.")] = None,
    never: Annotated[
        str | None, typer.Option(help="Choose where one may live without an end: nowhere, unprotected or everywhere.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """How long client tokens may live; with an option, choose it for those to come."""
    client = connect()
    found = client.call("GET", "/client-token-rules")
    if max_days is not None or never is not None:
        wanted = {"max_days": max_days or found["max_days"], "never": never or found["never"], "reason": reason}
        found = client.call("PUT", "/client-token-rules", wanted)
    show(found, as_json=as_json, text=f"At most {found['max_days']} days; without an end: {found['never']}.")
