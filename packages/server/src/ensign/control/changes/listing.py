"""Lists of requests for one reader: what waits for them, what was asked of them, their own; in cursor pages."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Q

from ensign.control.access.decisions import Held
from ensign.control.changes import queries
from ensign.control.changes.asking import asked_of
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.requests import OPEN, ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.changes.queries import RequestRow
from ensign.control.changes.waiting import waits_for_me
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor

_CHUNK = 200
_AUTHORS = 500
"""How many of the newest requests the choice of authors is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is narrowed to; an empty member narrows nothing. ``author`` is an id, ``flag`` a key."""

    environment: str = ""
    flag: str = ""
    author: str = ""
    status: str = ""


class Lists:
    """The lists of one reader, within ``projects`` (None: all that there are)."""

    def __init__(self, actor: Actor, *, at: datetime, rights: Held, projects: Collection[str] | None) -> None:
        self._actor, self._at, self._rights, self._projects = actor, at, rights, projects

    @cached_property
    def _waiting(self) -> frozenset[str]:
        found = waits_for_me(self._actor, at=self._at, rights=self._rights)
        return frozenset(r.id for r in found if self._projects is None or r.project in self._projects)

    @cached_property
    def _requested(self) -> frozenset[str]:
        found = requested_of(self._actor, projects=self._projects)
        return frozenset(request.id for request in found)

    def counts(self) -> dict[str, int]:
        """How many requests the lists hold that somebody works through."""
        mine = Request.objects.filter(author=self._actor.id, status__in=sorted(OPEN))
        opened = Request.objects.filter(status__in=sorted(OPEN - {"draft"}))
        if self._projects is not None:
            mine, opened = mine.filter(project__in=self._projects), opened.filter(project__in=self._projects)
        return {
            "waiting": len(self._waiting),
            "requested": len(self._requested),
            "mine": mine.count(),
            "open": opened.count(),
        }

    def page(self, show: str, wanted: Filters, *, before: str, limit: int) -> list[RequestRow]:
        """Up to ``limit`` requests, newest first, older than the id ``before``."""
        found: list[RequestRow] = []
        for row in self._rows(show, wanted, before=before, size=_CHUNK if wanted.flag else limit):
            if not wanted.flag or _touches(row.request, wanted.flag):
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def _rows(self, show: str, wanted: Filters, *, before: str, size: int) -> Iterator[RequestRow]:
        rows = Request.objects.order_by("-id")
        if self._projects is not None:
            rows = rows.filter(project__in=self._projects)
        if show in {"waiting", "requested"}:
            rows = rows.filter(pk__in=self._waiting if show == "waiting" else self._requested)
        elif show == "mine":
            rows = rows.filter(author=self._actor.id)
        elif show == "open":
            rows = rows.filter(status__in=sorted(OPEN - {"draft"}))
        # Somebody else's draft is nobody's business.
        rows = rows.filter(~Q(status="draft") | Q(author=self._actor.id))
        for name in ("environment", "author", "status"):
            if value := getattr(wanted, name):
                rows = rows.filter(**{name: value})
        if wanted.flag:
            rows = rows.filter(content__contains=f'"flag":{json.dumps(wanted.flag, ensure_ascii=False)}')
        last = before
        while True:
            chunk = list((rows.filter(pk__lt=last) if last else rows)[:size])
            yield from (queries.to_row(row) for row in chunk)
            if len(chunk) < size:
                return
            last = chunk[-1].pk

    def authors(self) -> set[str]:
        """Who wrote the newest requests."""
        rows = Request.objects.order_by("-id").exclude(status="draft")
        if self._projects is not None:
            rows = rows.filter(project__in=self._projects)
        return {str(author) for author in rows.values_list("author", flat=True)[:_AUTHORS]}


def _touches(request: ChangeRequest, flag: str) -> bool:
    """Whether a request changes the flag; the search by text also finds those that only depend on it."""
    refs = algebra.touched(request.environment, request.operations)
    return any(ref.kind in {"flag", "config"} and ref.key == flag for ref in refs)


def requested_of(actor: Actor, *, projects: Collection[str] | None) -> list[ChangeRequest]:
    """Requests in review that wait for the actor to look, being asked themselves or by a group of theirs."""
    groups = [group.id for group in identity.groups_of(actor.id)]
    named = Q(content__contains=actor.id)
    for group in groups:
        named |= Q(content__contains=group)
    rows = Request.objects.filter(named, status="in_review").order_by("-id")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    found = (queries.to_row(row).request for row in rows)
    return [request for request in found if asked_of(request, actor.id, groups)]


def titles(ids: Collection[str], *, projects: Collection[str]) -> dict[str, str]:
    """Id -> title of those requests that are of one of the projects; without drafts, which their authors alone see."""
    wanted = [id for id in ids if id.startswith("crq_")]
    if not wanted:
        return {}
    rows = Request.objects.filter(pk__in=wanted, project__in=projects).exclude(status="draft")
    return {row.pk: title for row in rows if (title := str(row.state["title"]))}
