"""Sessions that began at a provider: how long they last, when they are checked again, and their end from there."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.http import HttpRequest

from ensign.control.audit.ledger import record
from ensign.control.identity.actions import SESSIONS_ENDED_FOR
from ensign.control.identity.sso import actions
from ensign.control.identity.sso.domain import Asserted, ProviderView, subject_hash
from ensign.control.identity.sso.models import ProviderSession, SeenMessage
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.transactions import require_write_door, write_door

#: Where a session keeps that it began at a provider.
MARK: Final = "ensign_provider"

SSO: Final = system("sso")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a session knows of its provider.

    ``until``: when it ends in any case. ``recheck_at``: from when pages send the browser to the provider first, or
    None. ``limit_at``: from when nothing is served before that was done, pages or not.
    """

    provider: str
    identity: str
    until: datetime
    recheck_at: datetime | None
    limit_at: datetime | None


def begin(
    request: HttpRequest, provider: ProviderView, asserted: Asserted, *, identity: str, person: str, at: datetime
) -> None:
    """Note that the session, which has just begun, did so at ``provider``."""
    require_write_door()
    request.session[MARK] = {
        "provider": provider.id,
        "identity": identity,
        "until": clock.text(at + timedelta(hours=provider.session_hours)),
        **_recheck(provider, at=at),
    }
    request.session.save()
    ProviderSession.objects.update_or_create(
        pk=request.session.session_key,
        defaults={
            "provider_id": provider.id,
            "person_id": person,
            "identity_id": identity,
            "subject_hash": subject_hash(provider.id, asserted.subject),
            "sid_hash": sid_hash(provider.id, asserted.session_index),
            "started_at": at,
            "checked_at": at,
        },
    )


def checked(request: HttpRequest, provider: ProviderView, asserted: Asserted, *, at: datetime) -> None:
    """Note that the provider has just vouched for the person again."""
    require_write_door()
    request.session[MARK] = {**request.session[MARK], **_recheck(provider, at=at)}
    request.session.save()
    sid = sid_hash(provider.id, asserted.session_index)
    ProviderSession.objects.filter(pk=request.session.session_key).update(checked_at=at, sid_hash=sid)


def postponed(request: HttpRequest, *, at: datetime, by: timedelta) -> None:
    """The provider does not answer: ask again later, but not after ``limit_at``."""
    request.session[MARK] = {**request.session[MARK], "recheck_at": clock.text(at + by)}
    request.session.save()


def mark(request: HttpRequest) -> Mark | None:
    """What the session knows of its provider, or None when it began without one."""
    kept = request.session.get(MARK)
    if not isinstance(kept, dict):
        return None
    return Mark(
        provider=kept["provider"],
        identity=kept["identity"],
        until=clock.parse(kept["until"]),
        recheck_at=clock.parse(kept["recheck_at"]) if kept["recheck_at"] else None,
        limit_at=clock.parse(kept["limit_at"]) if kept["limit_at"] else None,
    )


def _recheck(provider: ProviderView, *, at: datetime) -> dict[str, str | None]:
    if not provider.recheck_minutes:
        return {"recheck_at": None, "limit_at": None}
    every = timedelta(minutes=provider.recheck_minutes)
    return {"recheck_at": clock.text(at + every), "limit_at": clock.text(at + 2 * every)}


def sid_hash(provider_id: str, sid: str) -> str:
    """Under which the provider's own session is looked up; "" for none."""
    return hashlib.sha256(f"{provider_id}\x00{sid}".encode()).hexdigest() if sid else ""


def end_by_provider(provider: ProviderView, *, subject: str, sid: str, at: datetime) -> int:
    """End the sessions that the provider's log-out names: those of ``sid`` if given (and of ``subject``, if given,
    too), else all of ``subject``. Returns how many ended; one entry per person.
    """
    rows = ProviderSession.objects.filter(provider_id=provider.id)
    if sid:
        rows = rows.filter(sid_hash=sid_hash(provider.id, sid))
    if subject:
        rows = rows.filter(subject_hash=subject_hash(provider.id, subject))
    if not sid and not subject:
        return 0
    with write_door():
        return _end(list(rows.select_for_update().order_by("pk")), provider=provider.id, because="logout", at=at)


def end_all(provider_id: str, *, because: str, actor: Actor = SSO, at: datetime) -> int:
    """End every session that began at a provider; returns how many."""
    require_write_door()
    rows = ProviderSession.objects.select_for_update().filter(provider_id=provider_id).order_by("pk")
    return _end(list(rows), provider=provider_id, because=because, actor=actor, at=at)


def end_of_identity(identity_id: str, *, actor: Actor, at: datetime) -> int:
    """End the sessions that began with one identity at a provider; returns how many."""
    require_write_door()
    rows = list(ProviderSession.objects.select_for_update().filter(identity_id=identity_id).order_by("pk"))
    return _end(rows, provider=rows[0].provider_id, because="released", actor=actor, at=at) if rows else 0


def end_elsewhere(
    domains: Sequence[str], *, at_providers: Sequence[str], provider: str, actor: Actor, at: datetime
) -> int:
    """End the sessions of people of these domains that did not begin at one of these providers; returns how many.

    One entry per person, by whoever enforced ``provider``.
    """
    require_write_door()
    of_domains = Q(pk__in=[])
    for domain in domains:
        of_domains |= Q(user__email__endswith=f"@{domain}")
    kept = ProviderSession.objects.filter(provider_id__in=at_providers).values("session_key")
    rows = list(UserSession.objects.filter(of_domains).exclude(session_key__in=kept).select_related("user"))
    keys = {row.session_key for row in rows}
    alive = set(Session.objects.filter(pk__in=keys).values_list("pk", flat=True))
    Session.objects.filter(pk__in=keys).delete()
    UserSession.objects.filter(pk__in=[row.pk for row in rows]).delete()
    ended = Counter(row.user.person_id for row in rows if row.session_key in alive)
    for person, count in sorted(ended.items()):
        detail = {"provider": provider, "person": person, "sessions": count, "because": "enforcement"}
        record(action=SESSIONS_ENDED_FOR, actor=actor, at=at, detail=detail)
    return len(alive)


def end_one(session_key: str, *, because: str, at: datetime) -> None:
    """End one session that began at a provider, with its entry."""
    require_write_door()
    rows = list(ProviderSession.objects.select_for_update().filter(pk=session_key))
    if rows:
        _end(rows, provider=rows[0].provider_id, because=because, at=at)


def _end(rows: list[ProviderSession], *, provider: str, because: str, at: datetime, actor: Actor = SSO) -> int:
    keys = [row.session_key for row in rows]
    alive = set(Session.objects.filter(pk__in=keys).values_list("pk", flat=True))
    Session.objects.filter(pk__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    ProviderSession.objects.filter(pk__in=keys).delete()
    ended: dict[str, int] = {}
    for row in rows:
        if row.session_key in alive:
            ended[row.person_id] = ended.get(row.person_id, 0) + 1
    for person, count in sorted(ended.items()):
        detail = {"provider": provider, "person": person, "sessions": count, "because": because}
        record(action=actions.SESSION_ENDED_BY_PROVIDER, actor=actor, at=at, detail=detail)
    return len(alive)


def seen_before(name: str, *, until: datetime, at: datetime) -> bool:
    """Whether a message that counts once was seen before; remembers it until ``until``. Inside the write door."""
    require_write_door()
    key = hashlib.sha256(name.encode()).hexdigest()
    SeenMessage.objects.filter(until__lt=at).delete()
    _, fresh = SeenMessage.objects.get_or_create(pk=key, defaults={"until": until})
    return not fresh


def prune(*, at: datetime) -> int:
    """Forget sessions that are long over, and messages too old to be replayed; returns how many. For the worker."""
    old = ProviderSession.objects.filter(started_at__lt=at - timedelta(days=31)).delete()[0]
    return int(old + SeenMessage.objects.filter(until__lt=at).delete()[0])
