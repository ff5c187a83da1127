"""Sessions: where people are signed in, when a session is over, and ending it with an entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.http import HttpRequest

from ensign.control.audit.ledger import record
from ensign.control.identity import actions, enforcing
from ensign.control.identity.models import Account
from ensign.control.identity.rules import Rules
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import require_write_door, write_door

#: Where a session keeps when it began (``kernel.clock.text``), and the way in which its person signed in.
SIGNED_IN_AT: Final = "ensign_signed_in_at"
WAY: Final = "ensign_way"

#: How often it is written down that a session is in use: the idle limit is exact to this.
SEEN_EVERY: Final = timedelta(minutes=1)

Limit = Literal["idle", "lifetime", "rules", "closed", "provider_time"]
Over = Literal["idle", "lifetime", "rules", "closed", "provider_time", "ended"]

_SYSTEM: Final = system("sessions")


def over(request: HttpRequest, *, at: datetime) -> Over | None:
    """Why the request's session has ended, or None: it is not listed any more (``ended``), too old, unused too long, or
    began in a way that the rules no longer allow. Its end is an entry."""
    started, user = request.session.get(SIGNED_IN_AT), request.user
    row = UserSession.objects.filter(session_key=request.session.session_key).first()
    if row is None or not isinstance(started, str) or not isinstance(user, Account):
        return "ended"
    rules = enforcing.of_request(request)
    limit = _limit(rules, started=clock.parse(started), seen=row.last_seen_at, at=at)
    if limit is None and not rules.allows_way(str(request.session.get(WAY, "")), user.person_id):
        limit = "rules"
    if limit is not None:
        with write_door():
            _end([row], limit, at=at)
    return limit


def _limit(rules: Rules, *, started: datetime, seen: datetime, at: datetime) -> Limit | None:
    if at - started > rules.lifetime:
        return "lifetime"
    return "idle" if at - seen > rules.idle else None


def seen(request: HttpRequest, *, at: datetime) -> None:
    """Remember that the session is in use."""
    rows = UserSession.objects.filter(session_key=request.session.session_key)
    rows.filter(last_seen_at__lte=at - SEEN_EVERY).update(last_seen_at=at)


def end_due(*, at: datetime) -> int:
    """End every session that is over by the clock, so that it stands in the log though nobody came back; how many.

    For the worker.
    """
    rules = enforcing.current()
    with write_door():
        due = UserSession.objects.filter(
            Q(last_seen_at__lt=at - rules.idle) | Q(created_at__lt=at - rules.lifetime)
        ).select_related("user")
        rows = list(due)
        old = [row for row in rows if at - row.created_at > rules.lifetime]
        _end(old, "lifetime", at=at)
        _end([row for row in rows if row not in old], "idle", at=at)
    return len(rows)


def end_here(request: HttpRequest, limit: Limit, *, at: datetime) -> None:
    """End the session of this request because ``limit`` is reached, with an entry."""
    with write_door():
        _end(UserSession.objects.filter(session_key=request.session.session_key).select_related("user"), limit, at=at)
    request.session.flush()


def end_by_way(way: str, limit: Limit, *, at: datetime) -> int:
    """End every session that began in one way, with entries; how many."""
    rows = list(UserSession.objects.filter(data__way=way).select_related("user"))
    _end(rows, limit, at=at)
    return len(rows)


def _end(rows: Iterable[UserSession], limit: Limit, *, at: datetime) -> None:
    """Delete sessions; one entry for each person."""
    require_write_door()
    rows = list(rows)
    Session.objects.filter(session_key__in=[row.session_key for row in rows]).delete()
    gone = [row for row in rows if UserSession.objects.filter(pk=row.pk).delete()[0]]
    for person_id, count in Counter(row.user.person_id for row in gone).items():
        detail = {"person": person_id, "limit": limit, "sessions": count}
        record(action=actions.SESSION_EXPIRED, actor=_SYSTEM, at=at, detail=detail)


def end_all(*, keep: str | None) -> int:
    """Delete every session of everybody but the one with key ``keep``, those that are signing in included; how many."""
    require_write_door()
    rows = UserSession.objects.exclude(session_key=keep or "")
    count = int(rows.count())
    Session.objects.exclude(session_key=keep or "").delete()
    rows.delete()
    return count
