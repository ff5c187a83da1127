"""``ensign changes signatures`` and ``ensign access approval-keys``: who signed, with which keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, show
from ensign.cli.remote_changes import Id


def signatures(id: Id, as_json: Json = False) -> None:
    """The signed approvals of a request: by whom, with which key, over what, and whether they hold."""
    found = connect().call("GET", f"/changes/{part(id)}/signatures")
    lines = []
    for one in found:
        holds = "holds" if one["holds"] else f"does not hold: {one['problem']}"
        lines += [
            f"{one['person']} at {one['at']}, round {one['round']}: {holds}",
            f"  key {one['key']} ({one['algorithm']}), made {one['key_enrolled_at']}",
            *(f"  {sentence}" for sentence in one["sentences"]),
            f"  challenge {one['challenge']}",
        ]
    show(found, as_json=as_json, text="\n".join(lines) or "No approval of this request is signed.")


def approval_keys(
    person: Annotated[str, typer.Option(help="Somebody's id, or all; left out: your own.")] = "", as_json: Json = False
) -> None:
    """Approval keys, revoked ones too. A key is made in the browser, by the passkey itself."""
    asked = {"person": "*" if person == "all" else person} if person else {}
    found = connect().call("GET", "/approval-keys", query=asked)
    lines = [_line(key) for key in found]
    where = f"{connect().url}/account/approval-keys"
    show(found, as_json=as_json, text="\n".join(lines) or f"There is none. Make one in the browser: {where}")


def _line(key: dict[str, Any]) -> str:
    ended = "" if key["revoked_at"] is None else f", revoked {key['revoked_at']} ({key['because']})"
    return f"{key['id']}  {key['owner']}  {key['algorithm']}  made {key['enrolled_at']}{ended}"


def revoke_approval_key(
    key: Annotated[str, typer.Argument(help="The key's id: apk_…")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """End somebody's approval key, as when their device was stolen. Your own is ended in the browser."""
    done = connect().call("POST", f"/approval-keys/{part(key)}/revoke", {"reason": reason})
    show(done, as_json=as_json, text=f"{key} is revoked: what it signed and has not applied counts no more.")


def add_to(*, changes: typer.Typer, access: typer.Typer) -> None:
    """Put the commands into their groups."""
    changes.command()(signatures)
    access.command()(approval_keys)
    access.command()(revoke_approval_key)
