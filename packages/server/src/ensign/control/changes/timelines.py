"""The enforcement timeline: every value that a policy ever had, from when to when, and what set it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.models import Entry, Touch
from ensign.control.changes import actions
from ensign.control.changes.domain import words
from ensign.control.changes.history import state_at
from ensign.control.changes.pages import PolicyChange, person
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.knowing import spelled
from ensign.control.projects.models import Policy
from ensign.control.projects.policy_words import members
from ensign.control.projects.queries import environment as known_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a policy: in force from ``since`` until ``until`` (None: still), set by an entry of the log."""

    version: int
    rules: PolicyRules
    since: datetime
    until: datetime | None
    by: str
    seq: int
    request: str


def versions(project: str, environment: str) -> list[Version]:
    """Every version, oldest first, without a gap: each ends when the next begins. Four queries."""
    row = Policy.objects.filter(project=project, environment=environment).first()
    if row is None:
        return []
    touches = list(Touch.objects.filter(object=row.object_name).order_by("version"))
    bodies = {e.seq: json.loads(e.body) for e in Entry.objects.filter(seq__in=[t.seq for t in touches])}
    starts = [clock.parse(bodies[touch.seq]["ts"]) for touch in touches]
    return [
        Version(
            version=touch.version,
            rules=PolicyRules.from_state(state_at(row, touch.version)),
            since=since,
            until=until,
            by=bodies[touch.seq]["actor"]["id"],
            seq=touch.seq,
            request=bodies[touch.seq].get("approval", {}).get("request", ""),
        )
        for touch, since, until in zip(touches, starts, [*starts[1:], None], strict=True)
    ]


def policy_history(project: str, environment: str) -> list[PolicyChange]:
    """Newest first, without a gap: each value ends when the next begins."""
    found = versions(project, environment)[::-1]
    names = identity.names(one.by for one in found)
    sentences = spelled(words.policy(one.rules) for one in found)
    return [
        PolicyChange(
            sentence=sentence,
            since=one.since,
            until=one.until,
            version=one.version,
            request=one.request,
            by=person(one.by, names),
        )
        for one, sentence in zip(found, sentences, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One value of one member of a policy (``value`` None: not asked for), from when to when, and what set it."""

    member: str
    value: str | None
    since: datetime
    until: datetime | None
    version: int
    by: str
    seq: int
    request: str


def spans(project: str, environment: str) -> list[Span]:
    """Every value that every member ever had, for all of the time: by member, oldest first.

    A member that a version does not ask for has the value None then, so that its spans leave no gap.
    """
    found = versions(project, environment)
    said = [members(one.rules) for one in found]
    labels = list(dict.fromkeys(label for one in said for label in one))
    made: list[Span] = []
    for label in labels:
        begun = 0
        for place in range(1, len(found) + 1):
            if place < len(found) and said[place].get(label) == said[begun].get(label):
                continue
            first = found[begun]
            made.append(
                Span(
                    member=label, value=said[begun].get(label), since=first.since, until=found[place - 1].until,
                    version=first.version, by=first.by, seq=first.seq, request=first.request,
                )
            )  # fmt: skip
            begun = place
    values = spelled(text for one in made for text in (one.member, one.value or ""))
    return [
        Span(
            member=values[2 * n], value=None if one.value is None else values[2 * n + 1], since=one.since,
            until=one.until, version=one.version, by=one.by, seq=one.seq, request=one.request,
        )
        for n, one in enumerate(made)
    ]  # fmt: skip


COLUMNS = (
    "project", "environment", "member", "value", "from", "to", "policy_version", "by", "by_name", "entry", "request",
)  # fmt: skip


def table(project: str, environment: str) -> list[dict[str, Any]]:
    """The spans as rows of :data:`COLUMNS`; people by id, as the log has them, and by name."""
    found = spans(project, environment)
    names = identity.names({one.by for one in found})
    return [
        dict(
            zip(
                COLUMNS,
                (
                    project, environment, one.member, one.value, clock.text(one.since),
                    None if one.until is None else clock.text(one.until), one.version, one.by,
                    names.get(one.by, ""), one.seq, one.request,
                ),
                strict=True,
            )
        )
        for one in found
    ]  # fmt: skip


@operation
def export(*, actor: Actor, at: datetime, project: str, environment: str, format: str) -> bytes:
    """The timeline as CSV (RFC 4180, UTF-8) or JSON, and the entry that says so.

    :raises Denied: without ``project:policy:read``. :raises NotFound: when there is no such environment.
    """
    held(actor, at=at).require(Permission.PROJECT_POLICY_READ, Scope(project))
    known_environment(project, environment)
    if format not in {"csv", "json"}:
        raise Invalid("There is no such format.", fields={"format": "Choose csv or json."})
    rows = table(project, environment)
    data = _csv(rows) if format == "csv" else json.dumps(rows, ensure_ascii=False, indent=2).encode() + b"\n"
    record(
        action=actions.POLICIES_EXPORTED,
        actor=actor,
        at=at,
        where=Where(project=project, environment=environment),
        detail={"format": f"timeline-{format}", "rows": len(rows), "sha256": hashlib.sha256(data).hexdigest()},
    )
    return data


def _csv(rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """What a spreadsheet would take for a formula stands as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
