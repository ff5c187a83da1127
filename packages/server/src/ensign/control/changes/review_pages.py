"""A review as its page shows it: lines with their threads, rounds, who was asked, both sides of a conflict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.urls import reverse

from ensign.control.changes import queries
from ensign.control.changes.asking import Candidate
from ensign.control.changes.domain.diff import Row, keyed
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.pages import person
from ensign.control.changes.queries import CommentView
from ensign.control.changes.rounds import Round, Shift, shifts
from ensign.control.kernel.errors import EnsignError, NotFound
from ensign.control.ui import looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One comment of a thread."""

    id: str
    by: looks.Person
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread about a line. ``outdated``: the line was edited since; ``href`` leads to the round where it was said."""

    id: str
    said: tuple[Said, ...]
    path: str
    outdated: bool
    round: int
    href: str
    resolved_by: looks.Person | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One line of the difference: its name for comments, what it is within its group, and what was said about it."""

    key: str
    id: str
    row: looks.DiffRow
    threads: tuple[Thread, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The lines about one flag or segment."""

    title: str
    lines: tuple[DiffLine, ...]


def _split(path: str) -> tuple[str, str]:
    """What a line is about, and what of it: ``new-checkout in production`` and ``strategy 1 › rollout``."""
    head, sign, rest = path.partition(" › ")
    if sign:
        return head, rest
    head, sign, rest = path.partition(": ")
    if sign:
        return head, rest
    return path, "policy" if path.startswith("policy of ") else "on or off" if " in " in path else "itself"


def threads(request: ChangeRequest, comments: Sequence[CommentView], names: Mapping[str, str]) -> tuple[Thread, ...]:
    """The threads about lines, oldest first; ``request`` is the version that is shown."""
    replies: dict[str, list[CommentView]] = {}
    for comment in comments:
        if comment.parent is not None:
            replies.setdefault(comment.parent, []).append(comment)
    found = []
    for root in comments:
        if root.anchor is None:
            continue
        talk = [root, *sorted(replies.get(root.id, ()), key=lambda c: (c.at, c.id))]
        found.append(
            Thread(
                id=root.id,
                said=tuple(Said(id=c.id, by=person(c.author, names), at=c.at, text=c.text) for c in talk),
                path=root.anchor.path,
                outdated=root.anchor.digest != request.digest,
                round=root.anchor.round,
                href=f"{reverse('changes:detail', kwargs={'id': request.id})}?round={root.anchor.round}",
                resolved_by=None if root.resolved_by is None else person(root.resolved_by, names),
            )
        )
    return tuple(found)


def groups(rows: Sequence[Row], talk: Sequence[Thread]) -> tuple[Group, ...]:
    """The lines of a difference by what they are about, each with its threads."""
    found: dict[str, list[DiffLine]] = {}
    for number, (key, row) in enumerate(keyed(rows), start=1):
        title, what = _split(row.path)
        line = DiffLine(
            key=key,
            id=f"line-{number}",
            row=looks.DiffRow(what=what, before=row.before, after=row.after),
            threads=tuple(thread for thread in talk if thread.path == key),
        )
        found.setdefault(title, []).append(line)
    return tuple(Group(title=title, lines=tuple(lines)) for title, lines in found.items())


def adrift(rows: Sequence[Row], talk: Sequence[Thread]) -> tuple[Thread, ...]:
    """Threads about lines that are no longer there."""
    known = {key for key, _ in keyed(rows)}
    return tuple(thread for thread in talk if thread.path not in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLink:
    """One round of the review, and what it proposes otherwise than the one before."""

    number: int
    href: str
    current: bool
    shown: bool
    at: datetime
    shifts: tuple[looks.DiffRow, ...]


def round_links(found: Sequence[Round], *, shown: int) -> list[RoundLink]:
    """Links to every round, oldest first."""
    links = []
    before: Sequence[Row] | None = None
    for place, one in enumerate(found):
        rows = _rows(one.request)
        moved = () if before is None or rows is None else shifts(before, rows)
        href = reverse("changes:detail", kwargs={"id": one.request.id})
        last = place == len(found) - 1
        links.append(
            RoundLink(
                number=one.number,
                href=href if last else f"{href}?round={one.number}",
                current=last,
                shown=one.number == shown,
                at=one.began,
                shifts=tuple(
                    looks.DiffRow(what=s.path, before=_proposed(s.was), after=_proposed(s.now)) for s in moved
                ),
            )
        )
        before = rows if rows is not None else before
    return links


def _rows(request: ChangeRequest) -> Sequence[Row] | None:
    """The lines of one round; None when they cannot be said any more."""
    try:
        return queries.effect(request).rows
    except (NotFound, EnsignError):
        return None


def _shift(value: Shift) -> looks.DiffRow:
    return looks.DiffRow(what=value.path, before=_proposed(value.was), after=_proposed(value.now))


def _proposed(row: Row | None) -> str | None:
    if row is None:
        return None
    sides = [value if value is not None else "not there" for value in (row.before, row.after)]
    return f"{sides[0]} → {sides[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody who was asked to look, and what came of it."""

    who: looks.Person
    state: Literal["waits", "approved", "asked for changes", "rejected it"]
    entitled: bool


_DECIDED: Mapping[str, Literal["approved", "asked for changes", "rejected it"]] = {
    "approve": "approved",
    "request_changes": "asked for changes",
    "reject": "rejected it",
}


def asked(request: ChangeRequest, people: Sequence[Candidate], names: Mapping[str, str]) -> list[Asked]:
    """Everybody who was asked, with their decision of this round."""
    decided = {d.person: _DECIDED[d.kind] for d in request.decisions if d.round == request.round}
    able = {c.id for c in people if c.entitled}
    return [
        Asked(
            who=looks.Person(name=names[id_], detail="group") if id_.startswith("grp_") else person(id_, names),
            state=decided.get(id_, "waits"),
            entitled=id_ in able,
        )
        for id_ in request.reviewers
    ]
