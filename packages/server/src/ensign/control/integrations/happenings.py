"""An entry of the log as it is told: read from its body, put into words from what is so when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse

from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.identity import queries as identity
from ensign.control.integrations.domain.messages import Message
from ensign.control.integrations.domain.table import Telling, telling
from ensign.control.integrations.saying import what
from ensign.control.kernel import clock

#: Where an object of a kind is looked at: URL name and the name of its argument. What has no page leads to the log.
_PAGES: Mapping[str, tuple[str, str]] = {
    "change_request": ("changes:detail", "id"),
    "access_request": ("access:request", "request_id"),
    "duty_exception": ("access:exception", "exception_id"),
    "integration": ("integrations:detail", "id"),
    "incident": ("incidents:incident", "id"),
    "break_glass": ("incidents:emergency", "id"),
    "alert": ("monitoring:alert", "id"),
    "safeguard": ("monitoring:safeguard", "id"),
}
#: Those whose address begins with that of their project.
_IN_PROJECT = frozenset({"safeguard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What an entry says, as far as telling it needs that."""

    seq: int
    at: datetime
    action: str
    actor: Mapping[str, str]
    project: str = ""
    environment: str = ""
    objects: Sequence[str] = ()
    request: str = ""
    mode: str = ""
    operations: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What tells notices of it apart from others."""
        return f"entry:{self.seq}"

    @property
    def telling(self) -> Telling | None:
        """Its row of the table."""
        return telling(self.action, mode=self.mode, operations=self.operations)

    def to_json(self) -> str:
        """The form in which a notice and a delivery keep it: ids and keys alone."""
        kept = {name: getattr(self, name) for name in self.__slots__ if name != "at"}
        return json.dumps({**kept, "at": clock.text(self.at)}, separators=(",", ":"), default=list)

    @staticmethod
    def from_json(text: str) -> Happening:
        """The inverse of :meth:`to_json`."""
        kept = json.loads(text)
        return Happening(**{**kept, "at": clock.parse(kept["at"])})


def of_entry(body: str) -> Happening:
    """An entry's body."""
    entry = json.loads(body)
    where, detail, approval = entry.get("where", {}), entry.get("detail", {}), entry.get("approval", {})
    objects = [touch["object"] for touch in entry["touch"]]
    named = [name.partition(":")[2] for name in objects if name.startswith("change_request:")]
    return Happening(
        seq=entry["seq"],
        at=clock.parse(entry["ts"]),
        action=entry["action"],
        actor=entry["actor"],
        project=where.get("project", ""),
        environment=where.get("environment", ""),
        objects=objects[:50],
        request=str(detail.get("request") or approval.get("request") or (named[0] if named else "")),
        mode=str(approval.get("mode", "")),
        operations=[str(kind) for kind in detail.get("operations", ())],
        facts={name: value for name, value in detail.items() if name == "asked" or not isinstance(value, list | dict)},
    )


def finding_source(code: str, subject: str, detail: str) -> str:
    """What tells notices of a finding apart from others."""
    return "finding:" + hashlib.sha256(f"{code}/{subject}/{detail}".encode()).hexdigest()[:40]


def public(path: str) -> str:
    """A page's whole address, as it stands in messages."""
    return f"{settings.PUBLIC_URL}{path}"


def page_of(happening: Happening) -> str:
    """The path of the page that a happening leads to: of what it is about, else of its entry."""
    if happening.request.startswith("crq_"):
        return reverse("changes:detail", kwargs={"id": happening.request})
    for name in happening.objects:
        kind, _, id = name.partition(":")
        view, argument = _PAGES.get(kind, ("", ""))
        try:
            if view:
                place = {"project": happening.project} if kind in _IN_PROJECT else {}
                return reverse(view, kwargs={**place, argument: id})
        except NoReverseMatch:
            continue
    return reverse("evidence:entry", kwargs={"seq": happening.seq})


def requests_of(happenings: Iterable[Happening]) -> dict[str, ChangeRequest]:
    """The requests that happenings are about, as they stand now, by id: one query."""
    ids = {one.request for one in happenings if one.request.startswith("crq_")}
    if not ids:
        return {}
    return {row.pk: ChangeRequest.from_state(row.pk, row.state) for row in Request.objects.filter(pk__in=ids)}


def messages(happenings: Sequence[Happening]) -> list[Message]:
    """Happenings in words, each with a row in the table; names and titles of now, in at most four queries."""
    names = identity.names(one.actor.get("id", "") for one in happenings)
    requests = requests_of(happenings)
    return [_message(one, names, requests.get(one.request)) for one in happenings]


def _message(one: Happening, names: Mapping[str, str], request: ChangeRequest | None) -> Message:
    row = one.telling
    if row is None:
        raise ValueError(f"{one.action} is told to nobody")
    id = one.actor.get("id", "")
    who = "Somebody" if one.actor.get("kind") == "anonymous" else names.get(id, id)
    title = "" if request is None else request.title
    place = " / ".join(part for part in (one.project, one.environment) if part) or "Ensign"
    words = row.words.format(title=title or "a request", place=place, what=what(one.action, one.facts))
    return Message(
        seq=one.seq,
        action=one.action,
        at=one.at,
        topic=row.topic,
        urgency=row.urgency,
        sentence=f"{who} {words}.",
        url=public(page_of(one)),
        project=one.project,
        environment=one.environment,
        title=title,
        actor=one.actor,
        objects=one.objects,
        facts=one.facts,
        over="" if request is None or request.open else request.status,
    )
