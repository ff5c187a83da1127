"""Requests for access and exceptions from segregation of duties, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.access.domain import Narrowing, Scope
from ensign.control.kernel import clock

RequestKind = Literal["own", "grant", "membership", "extension"]
RequestStatus = Literal["open", "granted", "refused", "withdrawn", "expired"]
ExceptionStatus = Literal["proposed", "approved", "refused", "ended"]

#: The longest for which somebody may ask for a role for themselves, and what is offered first.
OWN_MAX: Final = timedelta(days=30)
OWN_DEFAULT: Final = timedelta(hours=8)
#: How long a request waits for an answer.
ANSWER_WITHIN: Final = timedelta(days=7)
#: The longest for which an exception holds; another takes two people again. That of set-up ends sooner.
EXCEPTION_MAX: Final = timedelta(days=180)
SETUP_EXCEPTION: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAsked:
    """A role, where, and for which flags."""

    role: str
    scope: Scope
    narrowing: Narrowing

    def to_state(self) -> dict[str, Any]:
        """As it stands in a request's state."""
        return {
            "role": self.role,
            "project": self.scope.project,
            "environment": self.scope.environment,
            "flag_types": sorted(self.narrowing.types),
            "tags": sorted(self.narrowing.tags),
        }

    @staticmethod
    def of(state: Mapping[str, Any]) -> RoleAsked:
        """The inverse."""
        narrowing = Narrowing(types=frozenset(state["flag_types"]), tags=frozenset(state["tags"]))
        return RoleAsked(role=state["role"], scope=Scope(state["project"], state["environment"]), narrowing=narrowing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who approved, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A request for access. See ``models.AccessRequest``; times are UTC."""

    id: str
    kind: RequestKind
    subject: str
    roles: tuple[RoleAsked, ...]
    group: str | None
    managed_by: str | None
    extends: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    lasts: timedelta | None
    reason: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    needed: int
    approvals: tuple[Said, ...]
    status: RequestStatus
    decided_by: str | None
    decided_at: datetime | None
    answer: str
    grant: str | None
    sole: bool
    reviewed_by: str | None
    reviewed_at: datetime | None
    version: int
    ledger_seq: int

    @property
    def missing(self) -> int:
        """How many approvals it still needs."""
        return max(0, self.needed - len(self.approvals))

    def open(self, *, at: datetime) -> bool:
        """Whether it can still be answered."""
        return self.status == "open" and at < self.expires_at


def request_of(id: str, state: Mapping[str, Any], *, version: int, ledger_seq: int) -> RequestView:
    """A request's state as a value."""
    return RequestView(
        id=id,
        kind=state["kind"],
        subject=state["subject"],
        roles=tuple(RoleAsked.of(one) for one in state["grants"]),
        group=state["group"],
        managed_by=state["managed_by"],
        extends=state["extends"],
        starts_at=_time(state["starts_at"]),
        ends_at=_time(state["ends_at"]),
        lasts=None if state["minutes"] is None else timedelta(minutes=state["minutes"]),
        reason=state["reason"],
        requested_by=state["requested_by"],
        requested_at=clock.parse(state["requested_at"]),
        expires_at=clock.parse(state["expires_at"]),
        needed=state["needed"],
        approvals=tuple(Said(by=one["by"], at=clock.parse(one["at"])) for one in state["approvals"]),
        status=state["status"],
        decided_by=state["decided_by"],
        decided_at=_time(state["decided_at"]),
        answer=state["answer"],
        grant=state["grant"],
        sole=state["sole"],
        reviewed_by=state["reviewed_by"],
        reviewed_at=_time(state["reviewed_at"]),
        version=version,
        ledger_seq=ledger_seq,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionView:
    """An exception from segregation of duties. See ``models.DutyException``; times are UTC."""

    id: str
    subject: str
    pairs: tuple[str, ...]
    scope: Scope
    reason: str
    control: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    status: ExceptionStatus
    ended_by: str | None
    setup: bool
    version: int
    ledger_seq: int

    def in_force(self, *, at: datetime) -> bool:
        """Whether it counts at ``at``."""
        return self.status == "approved" and at < self.expires_at


def exception_of(id: str, state: Mapping[str, Any], *, version: int, ledger_seq: int) -> ExceptionView:
    """An exception's state as a value."""
    return ExceptionView(
        id=id,
        subject=state["subject"],
        pairs=tuple(state["pairs"]),
        scope=Scope(state["project"], state["environment"]),
        reason=state["reason"],
        control=state["control"],
        requested_by=state["requested_by"],
        requested_at=clock.parse(state["requested_at"]),
        expires_at=clock.parse(state["expires_at"]),
        approved_by=state["approved_by"],
        approved_at=_time(state["approved_at"]),
        status=state["status"],
        ended_by=state["ended_by"],
        setup=state["setup"],
        version=version,
        ledger_seq=ledger_seq,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else clock.parse(text)
