"""The list of all tokens of the installation, and its export: the population that auditors ask for.

Columns follow docs/reference/tokens.md. People stand there by id and name, never with the token's text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from ensign.control.access.credentials import Credential, Kind, State, of_people_and_services, registered
from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import actions, queries
from ensign.control.projects.credentials import of_client_token

Format = Literal["csv", "json"]

COLUMNS: Final = (
    "id", "prefix", "fingerprint", "kind", "state", "name", "purpose", "owner", "owner_name", "acts_as", "acts_as_name",
    "scope", "environment", "permissions", "created_by", "created_by_name", "created_at", "approved_by",
    "approved_by_name", "approved_at", "expires_at", "last_used_at", "rotated_at", "predecessor", "successor",
    "revoked_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file to hand out, with its SHA-256 and the number of its rows."""

    name: str
    media_type: str
    data: bytes
    sha256: str
    rows: int


def listed(*, actor: Actor, at: datetime, kind: str = "", state: str = "") -> list[Credential]:
    """All tokens, newest first. ``state`` empty: those that count, ``all``: ended ones, too.

    Federated tokens that have ended, one for each run of a pipeline, are told only when asked for by ``kind``.

    :raises Denied: without ``org:ledger:read``, which administrators and auditors hold.
    :raises Invalid: for a kind or state that there is not.
    """
    require(actor, Permission.ORG_LEDGER_READ, at=at)
    if kind and kind not in get_args(Kind):
        raise Invalid("There is no such kind.", fields={"kind": f"Choose one of {', '.join(get_args(Kind))}."})
    if state and state != "all" and state not in get_args(State):
        raise Invalid(
            "There is no such state.", fields={"state": f"Choose all or one of {', '.join(get_args(State))}."}
        )
    ended = state in {"all", "expired", "revoked"}
    rows = [
        *of_people_and_services(active=not ended, federated=not ended or kind == "federated"),
        *registered(),
        *(of_client_token(row) for row in queries.tokens()),
    ]
    wanted = {"active", "rotating"} if not state else set(get_args(State)) if state == "all" else {state}
    found = [one for one in rows if one.state(at=at) in wanted and (not kind or one.kind == kind)]
    return sorted(found, key=lambda one: one.id, reverse=True)


def rows_of(credentials: Sequence[Credential], *, at: datetime) -> list[dict[str, Any]]:
    """Rows with the documented columns; a member that does not apply is empty."""
    ids = {id for one in credentials for id in (one.owner, one.acts_as, one.created_by, one.approved_by) if id}
    names = identity.names(ids)
    return [_row(one, names, at=at) for one in credentials]


def _row(one: Credential, names: dict[str, str], *, at: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "prefix": one.hint,
        "fingerprint": one.fingerprint,
        "kind": one.kind,
        "state": one.state(at=at),
        "name": one.name,
        "purpose": one.purpose,
        "owner": one.owner,
        "owner_name": names.get(one.owner, ""),
        "acts_as": one.acts_as,
        "acts_as_name": names.get(one.acts_as, ""),
        "scope": one.scope,
        "environment": one.environment or "",
        "permissions": "" if one.permissions is None else " ".join(one.permissions),
        "created_by": one.created_by,
        "created_by_name": names.get(one.created_by, ""),
        "created_at": clock.text(one.created_at),
        "approved_by": one.approved_by,
        "approved_by_name": names.get(one.approved_by, ""),
        "approved_at": clock.text(one.approved_at),
        "expires_at": _instant(one.expires_at),
        "last_used_at": _instant(one.last_used_at),
        "rotated_at": _instant(one.rotated_at),
        "predecessor": one.predecessor or "",
        "successor": one.successor or "",
        "revoked_at": _instant(one.revoked_at),
    }


@operation
def export(*, actor: Actor, at: datetime, format: str = "csv", kind: str = "", state: str = "all") -> Exported:
    """The list as a file; an entry says who took it, with its digest.

    :raises Denied: without ``org:ledger:export`` and ``org:ledger:read``.
    :raises Invalid: for a format, kind or state that there is not.
    """
    require(actor, Permission.ORG_LEDGER_EXPORT, at=at)
    if format not in get_args(Format):
        raise Invalid("There is no such format.", fields={"format": f"Choose one of {', '.join(get_args(Format))}."})
    rows = rows_of(listed(actor=actor, at=at, kind=kind, state=state), at=at)
    parameters = {"kind": kind, "state": state, "format": format}
    if format == "json":
        body = {
            "report": "tokens",
            "run_at": clock.text(at),
            "run_by": actor.id,
            "parameters": parameters,
            "rows": rows,
        }
        data = (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()
    else:
        data = _csv(rows)
    digest = hashlib.sha256(data).hexdigest()
    detail = {**parameters, "rows": len(rows), "sha256": digest}
    record(action=actions.TOKENS_EXPORTED, actor=actor, at=at, detail=detail)
    media = "application/json" if format == "json" else "text/csv; charset=utf-8"
    name = f"tokens-{at:%Y%m%d-%H%M%S}.{format}"
    return Exported(name=name, media_type=media, data=data, sha256=digest, rows=len(rows))


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def _instant(at: datetime | None) -> str:
    return "" if at is None else clock.text(at)
