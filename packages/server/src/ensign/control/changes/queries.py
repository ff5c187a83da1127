"""Reads of change requests, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ensign.control.audit.models import Entry, Touch
from ensign.control.changes.domain import algebra, trust
from ensign.control.changes.domain.diff import Row, diff
from ensign.control.changes.domain.merging import Line, merge
from ensign.control.changes.domain.requests import OPEN, ChangeRequest, PolicyInForce, Status
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.changes.history import world_at
from ensign.control.changes.loading import judges, load, policy_for, reached
from ensign.control.changes.models import Comment, Request
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, NotFound
from ensign.control.projects.knowing import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request with its row's version and the entry that wrote it last."""

    request: ChangeRequest
    version: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The line that a comment is about: the round and digest that its writer saw, and the line's name there."""

    round: int
    digest: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentView:
    """What somebody said; ``kind`` is ``comment`` or the decision that it came with."""

    id: str
    author: str
    text: str
    kind: str
    at: datetime
    anchor: Anchor | None = None
    parent: str | None = None
    """The first comment of its thread; None for that one itself."""
    resolved_by: str | None = None


def to_row(row: Request) -> RequestRow:
    """The frozen form of a row."""
    return RequestRow(request=ChangeRequest.from_state(row.pk, row.state), version=row.version, seq=row.ledger_seq)


def request(id: str, *, reader: str) -> RequestRow:
    """One request, as ``reader`` (an actor's id) may see it: drafts are seen by their author alone.

    :raises NotFound: when there is none, or it is somebody else's draft.
    """
    row = Request.objects.filter(pk=id).first()
    if row is None or (row.status == "draft" and row.author != reader):
        raise NotFound("There is no such change request.", remedy="Look at the list of requests.")
    return to_row(row)


def requests(
    *,
    reader: str,
    projects: Collection[str] | None = None,
    environment: str | None = None,
    statuses: Collection[str] | None = None,
    author: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[RequestRow]:
    """Requests, newest first; of ``projects`` (None: all), older than id ``before``; other people's drafts left out."""
    rows = Request.objects.order_by("-id")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    if environment is not None:
        rows = rows.filter(environment=environment)
    if statuses is not None:
        rows = rows.filter(status__in=statuses)
    if author is not None:
        rows = rows.filter(author=author)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if statuses is None or "draft" in statuses:
        rows = rows.exclude(pk__in=Request.objects.filter(status="draft").exclude(author=reader).values("pk"))
    return [to_row(row) for row in rows[:limit]]


def comments(request_id: str) -> list[CommentView]:
    """What was said about a request, oldest first."""
    found = []
    for row in Comment.objects.filter(request=request_id).order_by("id"):
        state = row.state
        anchor, resolved = state.get("anchor"), state.get("resolved")
        found.append(
            CommentView(
                id=row.pk,
                author=state["author"],
                text=state["text"],
                kind=state["kind"],
                at=clock.parse(state["at"]),
                anchor=None if anchor is None else Anchor(**anchor),
                parent=state.get("parent"),
                resolved_by=None if resolved is None else resolved["by"],
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an entry of the log says happened to a request. ``approvers`` are those who counted when it applied,
    ``due`` the time that it was to apply at.
    """

    action: str
    actor: str
    at: datetime
    approvers: tuple[str, ...] = ()
    due: datetime | None = None


def steps(row: RequestRow) -> list[Step]:
    """Everything that happened to a request itself, oldest first, from the log; comments are apart."""
    seqs = Touch.objects.filter(object=f"{Request.object_type}:{row.request.id}").values("seq")
    found = []
    for body in Entry.objects.filter(pk__in=seqs).order_by("pk").values_list("body", flat=True):
        entry = json.loads(body)
        approvers, due = entry.get("approval", {}).get("approvers", ()), entry.get("detail", {}).get("due")
        found.append(
            Step(
                action=entry["action"],
                actor=entry["actor"]["id"],
                at=clock.parse(entry["ts"]),
                approvers=tuple(approver["id"] for approver in approvers),
                due=clock.parse(due) if due else None,
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a request does, said from the state that it is based on."""

    sentences: tuple[str, ...]
    rows: tuple[Row, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def effect(request: ChangeRequest) -> Effect:
    """The request's sentences, rows and JSON. Frozen by its base: an applied request's page never changes.

    :raises NotFound: when the state of that time was redacted.
    """
    return effect_on(world_of(request), request)


def world_of(request: ChangeRequest) -> World:
    """The state that the request is based on.

    :raises NotFound: when the state of that time was redacted.
    """
    return world_at(project=request.project, environment=request.environment, versions=request.base)


def effect_on(before: World, request: ChangeRequest) -> Effect:
    """The request's effect on a given state.

    :raises OperationError: when it cannot be applied to it.
    """
    after = algebra.apply_all(before, request.operations)
    sentences, rows = told(algebra.describe_all(before, request.operations), diff(before, after))
    return Effect(
        sentences=sentences,
        rows=rows,
        before=states(before, request),
        after=states(after, request),
    )


def told(sentences: Sequence[str], rows: Sequence[Row]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Sentences and rows of a difference with the names of groups and people in place of their ids."""
    sides = [side for row in rows for side in (row.before or "", row.after or "")]
    texts = spelled([*sentences, *sides])
    said, names = texts[: len(sentences)], texts[len(sentences) :]
    return tuple(said), tuple(
        Row(row.path, None if row.before is None else names[2 * at], None if row.after is None else names[2 * at + 1])
        for at, row in enumerate(rows)
    )


def states(world: World, request: ChangeRequest) -> dict[str, Any]:
    """The JSON of what the request touches, by name."""
    found: dict[str, Any] = {}
    for ref in sorted(algebra.touched(request.environment, request.operations)):
        if ref.kind == "flag" and ref.key in world.flags:
            found[ref.name] = world.flags[ref.key].to_state()
        elif ref.kind == "config" and ref.key in world.configs:
            found[ref.name] = world.configs[ref.key].to_state()
        elif ref.kind == "segment" and not ref.environment:
            found[ref.name] = {"mapped": ref.key in world.mapped}
        elif ref.kind == "segment":
            found[ref.name] = [c.to_state() for c in world.segments.get(ref.key, ())]
        elif ref.kind == "policy" and world.policy is not None:
            found[ref.name] = world.policy.to_state()
        elif ref.kind == "environment":
            found[ref.name] = {"protected": world.protected}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictView:
    """Both sides of a conflict: what changed since the request was written, and what the request would do now."""

    objects: tuple[str, ...]
    theirs: tuple[Row, ...]
    mine: tuple[Row, ...]
    refused: str = ""
    lines: tuple[Line, ...] = ()
    """Every line that either side changed, for the choice; () when the request no longer fits even its own base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an open request stands now, for one reader."""

    policy: PolicyInForce
    verdict: trust.Verdict
    moved: tuple[str, ...]
    refusal: Denied | Conflict | None
    """Why the reader may not approve it now; None: they may."""
    conflict: ConflictView | None
    before: World
    """The state as it is now of what the request is about."""

    @property
    def status(self) -> Status | str:
        """``conflicted`` when something moved, else nothing of its own."""
        return "conflicted" if self.moved else ""


def standing(request: ChangeRequest, *, reader: Actor, at: datetime) -> Standing:
    """How an open request stands: the policy, the approvals that count, conflicts, whether the reader may approve."""
    place = {"project": request.project, "environment": request.environment}
    keys = reached(operations=request.operations, **place)
    policy = policy_for(request, at=at)
    refs = [Ref.parse(name) for name in request.base]
    loaded = load(project=request.project, environment=request.environment, refs=refs)
    people = judges(request, environments=keys, flags=loaded.world.flags, at=at)
    moved = trust.moved(request, loaded.versions)
    return Standing(
        policy=policy,
        verdict=trust.verdict(request, at=at, policy=policy, judges=people),
        moved=moved,
        refusal=trust.refusal_to_approve(request, reader, at=at, policy=policy, judges=people),
        conflict=_conflict(request, loaded.world, moved) if moved else None,
        before=loaded.world,
    )


def _conflict(request: ChangeRequest, now: World, moved: Sequence[str]) -> ConflictView:
    base = world_of(request)
    now = as_of_base(now, base, request)
    try:
        mine, refused = effect_on(now, request).rows, ""
    except OperationError as error:
        mine, refused = (), error.message
    return ConflictView(
        objects=tuple(moved),
        theirs=diff(base, now),
        mine=mine,
        refused=refused,
        lines=merge(base, now, request.operations).lines,
    )


def as_of_base(now: World, base: World, request: ChangeRequest) -> World:
    """``now`` as a comparison with ``base`` asks for it: the policy and protection of the environment are part of a
    conflict only when the request is about them.
    """
    kinds = {Ref.parse(name).kind for name in request.base}
    return replace(
        now,
        policy=now.policy if "policy" in kinds else base.policy,
        protected=now.protected if "environment" in kinds else base.protected,
    )


def open_requests(project: str) -> list[RequestRow]:
    """All open requests of a project, drafts too, oldest first: one query."""
    rows = Request.objects.filter(project=project, status__in=OPEN).order_by("id")
    return [to_row(row) for row in rows]
