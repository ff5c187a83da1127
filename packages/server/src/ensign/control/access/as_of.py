"""Reading a :class:`Standing`: of now from the rows, of any moment from the log's documents alone.

For a moment nothing of today is asked: the log's entries up to it say which objects there were and by which digest,
and the documents behind those digests what each said. Names shown beside the ids are today's.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from ensign.control.access.actions import GRANT_ENDED, GRANT_RAN_OUT
from ensign.control.access.catalogue import role_of
from ensign.control.access.decisions import view_of, views
from ensign.control.access.domain import GrantView
from ensign.control.access.models import CustomRole, Grant
from ensign.control.access.roles import ROLES, nothing
from ensign.control.access.standing import Line, Member, Standing
from ensign.control.audit import checkpoints, history
from ensign.control.audit.models import Entry, Touch
from ensign.control.identity import actions
from ensign.control.identity.models import Group, Membership, Person, ServiceAccount
from ensign.control.identity.sso.actions import PERSON_PROVISIONED
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid

#: What access follows from.
_KINDS: Final = (
    Person.object_type,
    Group.object_type,
    Membership.object_type,
    ServiceAccount.object_type,
    CustomRole.object_type,
    Grant.object_type,
)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")

#: Where a person's document was redacted, the kind of entry still tells their status.
_STATUS_AFTER: Final[Mapping[str, str]] = {
    actions.PERSON_SET_UP.code: "active",
    actions.PERSON_INVITED.code: "invited",
    actions.PERSON_JOINED.code: "active",
    PERSON_PROVISIONED.code: "active",
    actions.PERSON_DEACTIVATED.code: "disabled",
}
#: Who was made by the directory is invited, unless the entry says that they were inactive from the start.
_MADE_BY_DIRECTORY: Final = "directory.user_added"


#: What ends a grant.
_GRANT_OVER: Final = frozenset({GRANT_ENDED.code, GRANT_RAN_OUT.code})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The entry that gave a grant: its number and time, the reason as it was said, who approved it by which request.

    ``sole``: nobody else could have confirmed it then.
    """

    entry: int
    at: datetime
    reason: str = ""
    request: str = ""
    approved_by: tuple[str, ...] = ()
    sole: bool = False


@dataclass(frozen=True, slots=True)
class _Touched:
    """An object as of some size of the log: the digest of its state and the entries that touched it, in order."""

    digest: str
    seqs: tuple[int, ...]


def instant(text: str, *, at: datetime, field: str = "as_of") -> datetime | None:
    """A moment as somebody writes it; None for an empty text.

    A date alone is its beginning, 00:00 UTC, so that "on 3 March" asks about how that day began. A time carries a zone
    (``2026-03-03T14:00:00Z``).

    :raises Invalid: for what is neither, a time without a zone, or the future.
    """
    text = text.strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if _DAY.match(text):
            moment = moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            raise Invalid(
                "The time needs a zone.", fields={field: "Write it with a zone, such as 2026-03-03T14:00:00Z."}
            )
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            "This is no date.", fields={field: "Write 2026-03-03 (its beginning, UTC) or 2026-03-03T14:00:00Z."}
        ) from None
    if moment > at:
        raise Invalid("Nobody knows the future.", fields={field: "Name a moment that has passed."})
    return moment


def standing(moment: datetime | None, *, at: datetime) -> Standing:
    """As of ``moment`` from the log, or, for None, as of ``at`` from the rows."""
    return now(at=at) if moment is None else at_moment(moment)


def now(*, at: datetime) -> Standing:
    """As the rows say."""
    size = checkpoints.head().size
    belongs = Membership.objects.filter(status="active").order_by("pk")
    joined = [(str(row.group), str(row.person), row.ledger_seq) for row in belongs]
    times = _times(seq for _, _, seq in joined)
    return Standing(
        at=at,
        size=size,
        source="rows",
        people=dict(Person.objects.values_list("pk", "status")),
        groups=dict(Group.objects.values_list("pk", "status")),
        services=dict(ServiceAccount.objects.values_list("pk", "status")),
        members=tuple(Member(group=group, person=person, since=times[seq]) for group, person, seq in joined),
        grants=views(Grant.objects.order_by("pk")),
    )


def at_moment(moment: datetime) -> Standing:
    """As the log's entries up to ``moment`` (inclusive) say: from their documents alone."""
    return _Past(moment).standing()


def size_at(moment: datetime) -> int:
    """How many entries the log had at ``moment``: their times never decrease."""
    later = Entry.objects.filter(ts__gt=clock.text(moment)).order_by("ts", "seq").values_list("seq", flat=True).first()
    return checkpoints.head().size if later is None else later


def root(size: int) -> str:
    """The tree's root (hex) over the first ``size`` entries: with the size it names the log that was read."""
    return checkpoints.frontier_at(size).root().hex()


def origins(lines: Iterable[Line]) -> dict[str, Origin]:
    """Grant id -> the entry that gave it, with reason and approval."""
    wanted = sorted({f"{Grant.object_type}:{line.grant.id}" for line in lines})
    first: dict[str, int] = {}
    for start in range(0, len(wanted), 500):
        rows = Touch.objects.filter(object__in=wanted[start : start + 500], version=1)
        first.update({name.partition(":")[2]: seq for name, seq in rows.values_list("object", "seq")})
    opened = history.opened(first.values())
    return {grant: _origin(opened[seq]) for grant, seq in first.items()}


def _origin(entry: history.EntryView) -> Origin:
    detail = entry.detail
    return Origin(
        entry=entry.seq,
        at=entry.at,
        reason=entry.reason or "",
        request=str(detail.get("request", "")),
        approved_by=tuple(detail.get("approved_by", ())),
        sole=detail.get("sole_granter") is True,
    )


class _Past:
    """One reading of the log up to a moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        self._size = size_at(moment)
        self._touched = _touched(self._size)
        self._states = history.documents(one.digest for kind in self._touched.values() for one in kind.values())
        self._unreadable: list[str] = []

    def standing(self) -> Standing:
        """How it was."""
        people = {id: self._person(id, one) for id, one in self._touched[Person.object_type].items()}
        groups, services = self._statuses(Group.object_type), self._statuses(ServiceAccount.object_type)
        members, grants = self._members(), self._grants()
        return Standing(
            at=self._moment,
            size=self._size,
            source="log",
            people=people,
            groups=groups,
            services=services,
            members=members,
            grants=grants,
            unreadable=tuple(self._unreadable),
        )

    def _readable(self, kind: str) -> Iterable[tuple[str, _Touched, dict[str, Any]]]:
        for id, one in sorted(self._touched[kind].items()):
            state = self._states.get(one.digest)
            if state is None and kind == Grant.object_type:
                state = _kept_later(id, one)
            if state is None:
                self._unreadable.append(f"{kind}:{id}")
            else:
                yield id, one, state

    def _statuses(self, kind: str) -> dict[str, str]:
        return {id: state["status"] for id, _, state in self._readable(kind)}

    def _members(self) -> tuple[Member, ...]:
        active = [
            (state["group"], state["person"], one.seqs[-1])
            for _, one, state in self._readable(Membership.object_type)
            if state["status"] == "active"
        ]
        times = _times(seq for _, _, seq in active)
        return tuple(Member(group=group, person=person, since=times[seq]) for group, person, seq in active)

    def _grants(self) -> tuple[GrantView, ...]:
        """With each role as it was defined then; the built-in ones as this version of Ensign defines them."""
        custom = {state["key"]: role_of(state) for _, _, state in self._readable(CustomRole.object_type)}
        return tuple(
            view_of(
                id,
                state,
                means=ROLES.get(state["role"]) or custom.get(state["role"]) or nothing(state["role"]),
                version=len(one.seqs),
                ledger_seq=one.seqs[-1],
            )
            for id, one, state in self._readable(Grant.object_type)
        )

    def _person(self, id: str, one: _Touched) -> str:
        """The status in the document or, where it was redacted, what the entries about this person did."""
        state = self._states.get(one.digest)
        if state is not None:
            return str(state["status"])
        status, joined = "", False
        bodies = dict(Entry.objects.filter(seq__in=one.seqs).values_list("seq", "body"))
        for seq in one.seqs:
            entry = json.loads(bodies[seq])
            if entry["action"] == actions.PERSON_REACTIVATED.code:
                status = "active" if joined else "invited"
            if entry["action"] == _MADE_BY_DIRECTORY:
                status = "invited" if entry["detail"]["active"] else "disabled"
            status = _STATUS_AFTER.get(entry["action"], status)
            joined = joined or status == "active"
        if not status:
            self._unreadable.append(f"{Person.object_type}:{id}")
        return status


def _kept_later(grant_id: str, one: _Touched) -> dict[str, Any] | None:
    """The state of a grant whose document was forgotten when its holder was erased, or None.

    A later version keeps all of it but the reason; whether it had ended by then the entries tell.
    """
    name = f"{Grant.object_type}:{grant_id}"
    later = (
        Touch.objects.filter(object=name, version__gt=len(one.seqs)).order_by("version").values_list("after", flat=True)
    )
    kept = next((state for state in history.documents(later).values() if state is not None), None)
    if kept is None:
        return None
    done = set(Entry.objects.filter(seq__in=one.seqs).values_list("action", flat=True))
    return {**kept, "status": "revoked" if done & _GRANT_OVER else "active"}


def _touched(size: int) -> dict[str, dict[str, _Touched]]:
    """Kind -> id -> how the object stood after the first ``size`` entries."""
    like = " OR ".join(["object LIKE %s"] * len(_KINDS))
    query = f"SELECT object, seq, after FROM ledger_touch WHERE seq < %s AND ({like}) ORDER BY object, version"  # noqa: S608  # placeholders only
    found: dict[str, dict[str, _Touched]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(query, [size, *(f"{kind}:%" for kind in _KINDS)])
        for name, seq, digest in cursor.fetchall():
            kind, _, id = name.partition(":")
            earlier = found[kind].get(id)
            found[kind][id] = _Touched(digest, (*(earlier.seqs if earlier else ()), seq))
    return found


def _times(seqs: Iterable[int]) -> dict[int, datetime]:
    wanted = sorted(set(seqs))
    found: dict[int, datetime] = {}
    for start in range(0, len(wanted), 500):
        rows = Entry.objects.filter(pk__in=wanted[start : start + 500]).values_list("seq", "ts")
        found.update({seq: clock.parse(ts) for seq, ts in rows})
    return found
