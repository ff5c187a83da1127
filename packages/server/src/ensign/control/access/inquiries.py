"""Asking who can do what: now or at any moment, the difference between two, and all of it as a file.

Reading needs ``org:read``; what one holds oneself everybody may ask. A file is an entry.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ensign.control.access import as_of
from ensign.control.access.actions import ACCESS_EXPORTED
from ensign.control.access.as_of import Origin
from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope, names_enough
from ensign.control.access.permissions import BY_CODE, Permission
from ensign.control.access.places import require_known
from ensign.control.access.standing import Difference, Line, Standing, compare
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound

Format = Literal["csv", "csv-spreadsheet", "json"]

COLUMNS = (
    "subject", "kind", "name", "role", "project", "environment", "flag_types", "tags",
    "via_group", "via_group_name", "permissions", "since", "until",
    "grant", "granted_by", "granted_by_name", "entry", "entry_at", "reason", "request",
    "approved_by", "sole_granter",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Lines as of ``standing.at``, where each came from, and the log it was read from: its ``root`` over
    ``standing.size`` entries.
    """

    standing: Standing
    lines: tuple[Line, ...]
    origins: Mapping[str, Origin]
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What access differs by between two moments."""

    before: Standing
    after: Standing
    found: tuple[Difference, ...]
    origins: Mapping[str, Origin]
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A listing to hand out; ``manifest`` ties it to the log."""

    name: str
    media_type: str
    data: bytes
    manifest: Mapping[str, Any]


def permission_of(code: str) -> Permission:
    """A permission by its code.

    :raises Invalid: when there is none.
    """
    if code not in BY_CODE:
        raise Invalid("There is no such permission.", fields={"permission": f"Choose one of {', '.join(BY_CODE)}."})
    return BY_CODE[code]


def who_can(
    *, actor: Actor, at: datetime, permission: Permission, scope: Scope, moment: datetime | None = None
) -> Answer:
    """Every way in which somebody active may do something there, at ``moment`` (None: now, from the rows).

    :raises Denied: without ``org:read``.
    :raises Invalid: when the scope says less than the permission needs, or names what there never was.
    """
    require(actor, Permission.ORG_READ, at=at)
    require_known(scope)
    if not names_enough(permission, scope):
        field = "project" if scope.project is None else "environment"
        raise Invalid(
            f"{permission} is held in {'an environment' if permission.level == 'environment' else 'a project'}.",
            fields={field: f"Name the {field}, too."},
        )
    standing = as_of.standing(moment, at=at)
    return _answer(standing, standing.who(permission, scope))


def what_can(
    *, actor: Actor, at: datetime, subject: str, scope: Scope | None = None, moment: datetime | None = None
) -> Answer:
    """Every role in force of a person or service account, at ``moment``; with ``scope`` what counts there.

    :raises Denied: without ``org:read``, unless about oneself.
    :raises Invalid: for a ``scope`` that names what there never was.
    :raises NotFound: when the log knew nobody of this id then.
    """
    if subject != actor.id:
        require(actor, Permission.ORG_READ, at=at)
    if scope is not None:
        require_known(scope)
    standing = as_of.standing(moment, at=at)
    if subject not in standing.people and subject not in standing.services:
        raise NotFound("The log knew nobody of this id then.", remedy="Give the id of a person or service account.")
    return _answer(standing, standing.what(subject, scope))


def listing(*, actor: Actor, at: datetime, moment: datetime | None = None) -> Answer:
    """Every role in force of everybody, at ``moment``.

    :raises Denied: without ``org:read``.
    """
    require(actor, Permission.ORG_READ, at=at)
    standing = as_of.standing(moment, at=at)
    return _answer(standing, standing.lines)


def changes(*, actor: Actor, at: datetime, since: datetime, until: datetime | None = None) -> Differences:
    """What access differs by between ``since`` and ``until`` (None: now): both from the log alone.

    Two moments are compared; what came and went between them is in the log.

    :raises Denied: without ``org:read``.
    :raises Invalid: when ``since`` is not the earlier one.
    """
    require(actor, Permission.ORG_READ, at=at)
    until = at if until is None else until
    if since >= until:
        raise Invalid("The period is empty.", fields={"since": "Choose a moment before its end."})
    before, after = as_of.at_moment(since), as_of.at_moment(until)
    found = compare(before, after)
    origins = as_of.origins(one.line for one in found)
    return Differences(before=before, after=after, found=found, origins=origins, root=as_of.root(after.size))


def export(*, actor: Actor, at: datetime, answer: Answer, asked: Mapping[str, Any], format: Format) -> File:
    """An answer as a file: one row for each line. The export is an entry with the file's digest and the log's root.

    ``asked``: the question's parameters, as they stand in the manifest.
    """
    rows = _rows(answer)
    manifest: dict[str, Any] = {
        "report": "access",
        "report_version": 1,
        "columns": list(COLUMNS),
        "parameters": {**asked, "as_of": clock.text(answer.standing.at), "format": format, "time_zone": "UTC"},
        "derived_from": answer.standing.source,
        "run_by": actor.id,
        "run_at": clock.text(at),
        "log_size": answer.standing.size,
        "log_root": answer.root,
        "unreadable": list(answer.standing.unreadable),
        "row_count": len(rows),
    }
    data = _write(rows, format=format, manifest=manifest)
    manifest["file_sha256"] = hashlib.sha256(data).hexdigest()
    manifest["entry"] = _record(actor=actor, at=at, manifest=manifest)
    media = "application/json" if format == "json" else "text/csv; charset=utf-8"
    name = f"access-{answer.standing.at:%Y%m%dT%H%M%SZ}.{'json' if format == 'json' else 'csv'}"
    return File(name=name, media_type=media, data=data, manifest=manifest)


@operation
def _record(*, actor: Actor, at: datetime, manifest: Mapping[str, Any]) -> int:
    detail = {name: manifest["parameters"][name] for name in ("as_of", "format")}
    detail |= {"rows": manifest["row_count"], "sha256": manifest["file_sha256"], "size": manifest["log_size"]}
    return record(action=ACCESS_EXPORTED, actor=actor, at=at, detail={**detail, "root": manifest["log_root"]}).seq


def _answer(standing: Standing, lines: tuple[Line, ...]) -> Answer:
    return Answer(standing=standing, lines=lines, origins=as_of.origins(lines), root=as_of.root(standing.size))


def _rows(answer: Answer) -> list[dict[str, str | int]]:
    ids = {id for line in answer.lines for id in (line.subject, line.via or "", line.grant.granted_by)}
    names = identity.names(ids)
    return [_row(line, answer.origins.get(line.grant.id), names) for line in answer.lines]


def _row(line: Line, origin: Origin | None, names: Mapping[str, str]) -> dict[str, str | int]:
    scope = line.grant.scope
    return {
        "subject": line.subject,
        "kind": line.kind,
        "name": names[line.subject],
        "role": line.grant.role,
        "project": scope.project or "*",
        "environment": scope.environment or "*",
        "flag_types": " ".join(sorted(line.grant.narrowing.types)) or "*",
        "tags": " ".join(sorted(line.grant.narrowing.tags)) or "*",
        "via_group": line.via or "",
        "via_group_name": names[line.via] if line.via else "",
        "permissions": " ".join(line.permissions),
        "since": clock.text(line.since),
        "until": clock.text(line.until) if line.until else "",
        "grant": line.grant.id,
        "granted_by": line.grant.granted_by,
        "granted_by_name": names[line.grant.granted_by],
        "entry": origin.entry if origin else "",
        "entry_at": clock.text(origin.at) if origin else "",
        "reason": origin.reason if origin else "",
        "request": origin.request if origin else "",
        "approved_by": " ".join(origin.approved_by) if origin else "",
        "sole_granter": "yes" if origin and origin.sole else "no",
    }


def _write(rows: Sequence[Mapping[str, str | int]], *, format: Format, manifest: Mapping[str, Any]) -> bytes:
    if format == "json":
        return (json.dumps({"manifest": dict(manifest), "rows": rows}, ensure_ascii=False, indent=1) + "\n").encode()
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _inert(value) for name, value in row.items()} if format == "csv-spreadsheet" else row)
    return buffer.getvalue().encode()


def _inert(value: str | int) -> str | int:
    """What a spreadsheet would run as a formula is made a text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
