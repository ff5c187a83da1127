"""Signing in and out. Every outcome is an entry; refused ones are summed up above a rate: nobody floods the log.

A try passes these steps: (1) reserve it under the limits of pair, account and address; (2) verify the password, with
the same work for an unknown address; (3) record the refusal, or go on to the second factor; (4) a fresh session key,
the entry and the list of sessions in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Literal

from allauth.usersessions.models import UserSession
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, actions, attempts, enforcing, traces
from ensign.control.identity.actors import MFA_AT, MFA_WAY, from_request
from ensign.control.identity.attempts import Limit
from ensign.control.identity.domain import PASSWORD_MAX
from ensign.control.identity.models import Account, Attempts
from ensign.control.identity.sessions import SIGNED_IN_AT, WAY
from ensign.control.identity.sso import enforcement
from ensign.control.identity.sso.models import ProviderSession
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.errors import Invalid, RateLimited, Unauthenticated
from ensign.control.kernel.transactions import write_door

#: Where a session keeps who gave the right password and still owes the second factor.
PENDING: Final = "ensign_pending"
PENDING_FOR: Final = timedelta(minutes=10)

#: For so long a newly enrolled factor is mentioned at every sign-in.
FRESH: Final = timedelta(days=7)

#: So many refused sign-ins a minute stand in the log one by one; the rest is one entry with their number.
LOUD: Final = 20
_MINUTE: Final = timedelta(minutes=1)

Way = Literal["password", "totp", "recovery_code", "passkey", "setup", "invitation", "oidc", "saml", "emergency"]
Refusal = Literal[
    "password",
    "limit",
    "factor",
    "passkey",
    "link",
    "rules",
    "network",
    "token",
    "provider",
    "enforced",
    "emergency",
]

_BACKEND: Final = "ensign.control.identity.backends.PersonBackend"


def authenticate(*, email: str, password: str, address: str, at: datetime) -> Account:
    """The account that this address and password belong to. ``address`` is the client's network address.

    :raises Unauthenticated: when they do not fit, whatever the cause; the answer and its time tell nothing more. When
        they fit, and the rules want this person to sign in elsewhere, it says that.
    :raises RateLimited: when this account or network address has failed too often.
    """
    email = email.strip().lower()
    pair = (email, address)
    limits: list[tuple[Limit, tuple[str, ...]]] = [
        (attempts.PAIR, pair),
        (attempts.ACCOUNT, (email,)),
        (attempts.ADDRESS, (address,)),
    ]
    account = Account.objects.select_related("person").filter(email=email).first()
    person_id = None if account is None else account.person_id
    try:
        enforcement.require_local(email)
    except Unauthenticated:
        refused("enforced", person_id=person_id, at=at)
        raise
    try:
        reservation = attempts.reserve(limits, at=at)
    except RateLimited:
        refused("limit", person_id=person_id, at=at)
        raise
    if not _verified(account, password) or account is None:
        refused("password", person_id=person_id, at=at, reached=reservation.reached)
        raise Unauthenticated(
            "The e-mail address and the password do not fit together.",
            remedy="Check both. After a few wrong tries you have to wait; an administrator can make you a new link.",
        )
    attempts.succeeded(reservation, forget=attempts.PAIR, parts=pair)
    require_way("password", account, at=at)
    return account


def require_way(way: Way, account: Account, *, at: datetime) -> None:
    """Refuse, with an entry, a way to sign in that the rules do not allow this person.

    :raises Unauthenticated: with the code ``local-not-allowed``.
    """
    try:
        enforcing.require_way(way, account.person_id, rules=enforcing.current())
    except Unauthenticated:
        refused("rules", person_id=account.person_id, at=at)
        raise


def _verified(account: Account | None, password: str) -> bool:
    """Whether the password fits; costs one hashing in every case."""
    usable = account is not None and account.has_usable_password() and len(password) <= PASSWORD_MAX
    if account is None or not usable:
        make_password(password[:PASSWORD_MAX])
        return False
    return account.check_password(password) and account.is_active and account.person.status == "active"


def refused(
    way: Refusal,
    *,
    person_id: str | None,
    at: datetime,
    reached: tuple[str, ...] = (),
    more: Mapping[str, str] | None = None,
) -> None:
    """Record a refused try: one entry each up to 20 a minute, above that one entry with their number.

    The person stands there by id if there is one, and ``more`` (codes and ids); what was typed never does.
    """
    with write_door():
        minute = Attempts.objects.select_for_update().filter(key=attempts.SUMMARY).first()
        if minute is None or at - minute.since >= _MINUTE:
            _sum_up(minute, at=at)
            minute = Attempts(key=attempts.SUMMARY, count=0, since=at)
        minute.count += 1
        Attempts.objects.bulk_create(
            [minute], update_conflicts=True, unique_fields=["key"], update_fields=["count", "since"]
        )
        if minute.count > LOUD and not reached:
            return
        detail: dict[str, object] = {"way": way, **(more or {})}
        if person_id is not None:
            detail["person"] = person_id
        if reached:
            detail["limits"] = sorted(reached)
        action = actions.SIGN_IN_BLOCKED if reached else actions.SIGN_IN_FAILED
        traces.keep(record(action=action, actor=ANONYMOUS, at=at, detail=detail), person_id=person_id)


def summarise(*, at: datetime) -> None:
    """Write down the refusals of a past minute that did not get entries of their own. For the worker."""
    with write_door():
        minute = Attempts.objects.select_for_update().filter(key=attempts.SUMMARY).first()
        if minute is not None and at - minute.since >= _MINUTE:
            _sum_up(minute, at=at)
            minute.delete()


def _sum_up(minute: Attempts | None, *, at: datetime) -> None:
    if minute is not None and minute.count > LOUD:
        detail = {"count": minute.count - LOUD, "since": clock.text(minute.since)}
        record(action=actions.SIGN_IN_FAILURES, actor=ANONYMOUS, at=at, detail=detail)


@contextmanager
def guarded(person_id: str, *, at: datetime) -> Iterator[None]:
    """Count the block as a try at this person's second factor or password; a refusal inside becomes an entry.

    Use it outside the write door: what a roll-back takes back must not include the count.

    :raises RateLimited: after five wrong tries in 15 minutes.
    """
    tries: list[tuple[Limit, tuple[str, ...]]] = [(attempts.FACTOR, (person_id,))]
    try:
        reservation = attempts.reserve(tries, at=at)
    except RateLimited:
        refused("limit", person_id=person_id, at=at)
        raise
    try:
        yield
    except (Invalid, Unauthenticated):
        refused("factor", person_id=person_id, at=at, reached=reservation.reached)
        raise
    attempts.succeeded(reservation, forget=attempts.FACTOR, parts=(person_id,))


def hold(request: HttpRequest, account: Account, *, at: datetime) -> None:
    """Remember that the password was right and the second factor is still owed, under a fresh session key."""
    request.session.flush()
    request.session[PENDING] = {"account": account.pk, "at": clock.text(at), "person": account.person.version}


def held_account(request: HttpRequest, *, at: datetime) -> Account:
    """Who owes the second factor in this session.

    :raises Unauthenticated: when nobody does, or the ten minutes for it are over.
    """
    pending = request.session.get(PENDING)
    if isinstance(pending, dict) and at - clock.parse(pending["at"]) <= PENDING_FOR:
        account = Account.objects.select_related("person").filter(pk=pending["account"], is_active=True).first()
        # Deactivated meanwhile, even if reactivated since: what was begun before has ended.
        same = account is not None and account.person.version == pending.get("person")
        if account is not None and same and account.person.status == "active":
            return account
    raise Unauthenticated("The time for the second factor is over.", remedy="Sign in again.")


def complete(
    request: HttpRequest,
    account: Account,
    *,
    way: Way,
    at: datetime,
    mfa_at: datetime | None = None,
    provider: str = "",
) -> None:
    """Begin the session: fresh key, entry, list of sessions. A passkey or code proves the second factor at ``at``.

    ``provider`` is the id of the identity provider that vouched for them, ``mfa_at`` when they proved a second factor
    there, if that counts.

    :raises Unauthenticated: when they come through a provider alone and ``way`` is another one, or the rules do not
        allow this person this way.
    """
    if way not in enforcement.NOT_LOCAL:
        enforcement.require_local(account.email)
    require_way(way, account, at=at)
    rules = enforcing.current()
    proved_at = at if way in {"totp", "passkey"} else mfa_at
    with write_door():
        request.session.pop(PENDING, None)
        login(request, account, backend=_BACKEND)
        request.session.set_expiry(int(rules.lifetime.total_seconds()))
        request.session[SIGNED_IN_AT], request.session[WAY] = clock.text(at), way
        if proved_at is not None:
            request.session[MFA_AT], request.session[MFA_WAY] = clock.text(proved_at), way
        request.session.save()
        UserSession.objects.create_from_request(request)
        row = UserSession.objects.filter(session_key=request.session.session_key)
        row.update(created_at=at, last_seen_at=at, data={"way": way})
        actor = Actor(kind="person", id=account.person_id, via="session", mfa_at=proved_at)
        detail = {"way": way, **({"provider": provider} if provider else {})}
        recorded = record(action=actions.SIGNED_IN, actor=actor, at=at, detail=detail)
        traces.keep(recorded, person_id=account.person_id)


def proved(request: HttpRequest, *, way: Way, at: datetime) -> None:
    """Note that the session has proved a second factor again: the step-up before approving and administering."""
    with write_door():
        request.session[MFA_AT], request.session[MFA_WAY] = clock.text(at), way
        request.session.save()
        actor = from_request(request)
        recorded = record(action=actions.FACTOR_PROVED, actor=actor, at=at, detail={"way": way})
        traces.keep(recorded, person_id=actor.id)


def renew(request: HttpRequest, account: Account) -> None:
    """Keep this session after its person chose another password, under a fresh key."""
    with write_door():
        old = request.session.session_key
        update_session_auth_hash(request, account)
        request.session.save()
        UserSession.objects.filter(session_key=old).update(session_key=request.session.session_key)
        ProviderSession.objects.filter(pk=old).update(session_key=request.session.session_key)


def sign_out(request: HttpRequest, *, at: datetime) -> None:
    """End this session. Does nothing when nobody is signed in."""
    actor = from_request(request)
    key = request.session.session_key
    with write_door():
        if actor.kind == "person":
            traces.keep(record(action=actions.SIGNED_OUT, actor=actor, at=at), person_id=actor.id)
        UserSession.objects.filter(session_key=key).delete()
        logout(request)


def end_session(*, actor: Actor, session_id: int, at: datetime) -> None:
    """End one of one's own sessions elsewhere; ``session_id`` as listed. Unknown ones are none of theirs: no effect."""
    with write_door():
        row = UserSession.objects.filter(pk=session_id, user__person_id=actor.id).first()
        if row is not None:
            row.end()
            ended = record(action=actions.SESSION_REVOKED, actor=actor, at=at, detail={"sessions": 1})
            traces.keep(ended, person_id=actor.id)


def end_other_sessions(*, actor: Actor, session_key: str | None, at: datetime) -> int:
    """End all of one's own sessions but the one with ``session_key``; returns how many ended."""
    with write_door():
        ended = accounts.end_sessions(actor.id, keep=session_key)
        if ended:
            recorded = record(action=actions.SESSION_REVOKED, actor=actor, at=at, detail={"sessions": ended})
            traces.keep(recorded, person_id=actor.id)
    return ended
