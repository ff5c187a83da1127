"""How people, groups and grants stood at one instant, and what follows: who could do what, by which grant. Pure.

A :class:`Standing` comes from today's rows or from the log's documents alone (``as_of``); what follows from it is the
same code either way. ``decide`` has a way of its own, and a test compares all three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.permissions import Permission

Source = Literal["rows", "log"]
Change = Literal["gained", "lost", "altered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """That ``person`` belongs to ``group`` since an instant (UTC)."""

    group: str
    person: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way in which somebody holds a role: by ``grant``, directly or (``via``, a group's id) by a group.

    ``since``: the later of the grant's start and the joining of the group. ``until``: the grant's end as it stood.
    """

    subject: str
    kind: Literal["person", "service"]
    grant: GrantView
    via: str | None
    since: datetime

    @property
    def until(self) -> datetime | None:
        """When it ends by itself; None: no end."""
        return self.grant.ends_at

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells lines apart."""
        return self.subject, self.grant.id, self.via or ""

    def confers(self, permission: Permission, scope: Scope) -> bool:
        """Whether it allows ``permission`` in ``scope``; unless that names a flag, for some flag at least."""
        return (self.grant.covers_some if scope.flag is None else self.grant.covers)(permission, scope)

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What its role confers anywhere within its scope."""
        inside = Scope(self.grant.scope.project or "*", self.grant.scope.environment or "*")
        return tuple(permission for permission in Permission if self.confers(permission, inside))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Everything that access follows from, at ``at``, as the log's first ``size`` entries say.

    ``people``, ``groups`` and ``services`` give the status of each id; ``unreadable`` names objects whose document was
    redacted and whose state the log's entries alone do not tell.
    """

    at: datetime
    size: int
    source: Source
    people: Mapping[str, str]
    groups: Mapping[str, str]
    services: Mapping[str, str]
    members: tuple[Member, ...]
    grants: tuple[GrantView, ...]
    unreadable: tuple[str, ...] = field(default=())

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every role in force of everybody active, by subject and grant."""
        belonging: dict[str, list[Member]] = defaultdict(list)
        for member in self.members:
            belonging[member.group].append(member)
        found: list[Line] = []
        for grant in self.grants:
            if not grant.in_force(at=self.at):
                continue
            if grant.subject_kind == "group":
                if self.groups.get(grant.subject) == "active":
                    found += [
                        self._line(member.person, grant, via=grant.subject, since=max(grant.starts_at, member.since))
                        for member in belonging[grant.subject]
                        if self.people.get(member.person) == "active"
                    ]
            elif self._active(grant.subject):
                found.append(self._line(grant.subject, grant, via=None, since=grant.starts_at))
        return tuple(sorted(found, key=lambda line: line.key))

    def who(self, permission: Permission, scope: Scope) -> tuple[Line, ...]:
        """The lines that allow ``permission`` in ``scope``."""
        return tuple(line for line in self.lines if line.confers(permission, scope))

    def what(self, subject: str, scope: Scope | None = None) -> tuple[Line, ...]:
        """The lines of one subject; with ``scope`` those that confer anything there."""
        return tuple(
            line
            for line in self.lines
            if line.subject == subject
            and (scope is None or any(line.confers(permission, scope) for permission in Permission))
        )

    def _active(self, subject: str) -> bool:
        return (self.people if subject.startswith("usr_") else self.services).get(subject) == "active"

    @staticmethod
    def _line(subject: str, grant: GrantView, *, via: str | None, since: datetime) -> Line:
        kind: Literal["person", "service"] = "person" if subject.startswith("usr_") else "service"
        return Line(subject=subject, kind=kind, grant=grant, via=via, since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line that is there on one side only, or whose role confers something else on the other.

    ``because`` completes "…, because": in plain words. ``added`` and ``removed`` are set for what was altered.
    """

    change: Change
    line: Line
    because: str
    added: tuple[Permission, ...] = ()
    removed: tuple[Permission, ...] = ()


def compare(before: Standing, after: Standing) -> tuple[Difference, ...]:
    """What access differs by, from ``before`` to ``after``; by subject."""
    old, new = ({line.key: line for line in standing.lines} for standing in (before, after))
    found = [_gained(line, before) for key, line in new.items() if key not in old]
    found += [_lost(line, after) for key, line in old.items() if key not in new]
    for key in old.keys() & new.keys():
        had, has = set(old[key].permissions), set(new[key].permissions)
        if had != has:
            found.append(
                Difference(
                    change="altered",
                    line=new[key],
                    because="the role itself was changed",
                    added=_ordered(has - had),
                    removed=_ordered(had - has),
                )
            )
    return tuple(sorted(found, key=lambda one: (one.line.key, one.change)))


def _gained(line: Line, before: Standing) -> Difference:
    if line.grant.id not in {grant.id for grant in before.grants}:
        because = "the role was given"
    elif line.grant.starts_at > before.at:
        because = "the role began to count"
    elif line.via is not None and before.groups.get(line.via) != "active":
        because = "the group became active"
    elif not before._active(line.subject):
        because = "they became active"
    else:
        because = "they joined the group" if line.via is not None else "the role came back"
    return Difference(change="gained", line=line, because=because)


def _lost(line: Line, after: Standing) -> Difference:
    grant = next((one for one in after.grants if one.id == line.grant.id), None)
    if grant is not None and grant.ends_at is not None and grant.ends_at <= after.at:
        because = "the role ran out"
    elif grant is None or grant.status != "active":
        because = "the role was ended"
    elif line.via is not None and after.groups.get(line.via) != "active":
        because = "the group was archived"
    elif not after._active(line.subject):
        because = "they were deactivated"
    else:
        because = "they left the group" if line.via is not None else "the role no longer counts"
    return Difference(change="lost", line=line, because=because)


def _ordered(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    wanted = set(permissions)
    return tuple(permission for permission in Permission if permission in wanted)
