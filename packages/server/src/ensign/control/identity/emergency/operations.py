"""What holders of emergency access do: draw their code, and give it. Naming them and reviewing is in ``access``."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.identity import factors
from ensign.control.identity.emergency import actions, queries
from ensign.control.identity.emergency.domain import SealView, hash_of, new_code, together
from ensign.control.identity.emergency.models import EmergencySeal
from ensign.control.identity.models import Account
from ensign.control.identity.operations import own_account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What giving a code came to. ``waits_until``: a second person is still needed by then; None: it is open."""

    account: Account
    seal: SealView
    waits_until: datetime | None


def locked() -> EmergencySeal | None:
    """The newest seal's row, locked until commit."""
    return EmergencySeal.objects.select_for_update().order_by("-number").first()


@operation
def draw(*, actor: Actor, at: datetime) -> str:
    """Draw one's own code, shown once. When every holder has theirs, the access is sealed.

    A holder needs a second factor that works without the identity provider: a code opens nothing without it.

    :raises Denied: for whoever is no holder, or acts by token. :raises NeedsMfa: without a recent second factor.
    :raises Conflict: when it was drawn already, or the holder has no second factor here.
    """
    account = own_account(actor, act="emergency.draw")
    row = locked()
    seal = None if row is None else queries.view(row)
    if row is None or seal is None or seal.holder(actor.id) is None:
        raise Denied("You hold no emergency access.", permission="emergency.draw", remedy="Ask who manages sign-in.")
    if not actor.recent_mfa(at=at):
        raise NeedsMfa("Drawing a code needs a second factor, proved just now.", permission="emergency.draw")
    if seal.status != "preparing" or seal.holder(actor.id).drawn_at is not None:  # type: ignore[union-attr]  # asked above
        raise Conflict("Your code has been drawn already.", remedy="If it is lost, name the holders again: new codes.")
    if not any(one.kind in {"totp", "webauthn"} for one in factors.factors_of(account.person_id)):
        raise Conflict(
            "You have no second factor here, only at the identity provider.",
            remedy="Enrol a passkey or an authenticator app under Your account; it is asked for besides the code.",
        )
    code = new_code()
    holders = _changed(row, actor.id, code_hash=hash_of(code), drawn_at=clock.text(at))
    complete = all(one["drawn_at"] for one in holders)
    state = {**row.state, "holders": holders, "status": "sealed" if complete else "preparing"}
    _write(row, state, actions.SEALED if complete else actions.CODE_DRAWN, actor=actor, at=at)
    return code


@operation
def give(*, actor: Actor, at: datetime, code: str, reason: str = "") -> Given:  # noqa: ARG001  # who comes is nobody yet
    """Give one's code: the first of two, the second, or while it is open. ``actor`` is anonymous.

    :raises Invalid: when the code opens nothing; the answer does not say why.
    """
    row = locked()
    seal = None if row is None else queries.view(row)
    found = None if seal is None else _holder_of(seal, hash_of(code))
    account = None if found is None else _account(found)
    if row is None or seal is None or found is None or account is None:
        raise _no()
    holder = Actor(kind="person", id=found, via="setup")
    if seal.status == "unsealed" and seal.open(at=at):
        joined = sorted({*seal.unsealed_by, found})
        state = {**row.state, "unsealed_by": joined}
        _write(row, state, actions.JOINED, actor=holder, at=at, reason=reason)
        return Given(account=account, seal=queries.view(_again(row)), waits_until=None)
    if seal.status != "sealed":
        raise _no()
    people = [person for person in together(seal, person=found, at=at) if _account(person) is not None]
    state = {**row.state, "holders": _changed(row, found, given_at=clock.text(at))}
    if len(people) < 2:
        _write(row, state, actions.CODE_GIVEN, actor=holder, at=at, reason=reason)
        until = at + timedelta(minutes=15)
        return Given(account=account, seal=queries.view(_again(row)), waits_until=until)
    ends = at + timedelta(hours=seal.hours)
    state.update(status="unsealed", unsealed_at=clock.text(at), unsealed_by=people, ends_at=clock.text(ends))
    other = next(person for person in people if person != found)
    more = {"other": other, "until": clock.text(ends)}
    _write(row, state, actions.UNSEALED, actor=holder, at=at, reason=reason, **more)
    return Given(account=account, seal=queries.view(_again(row)), waits_until=None)


def _holder_of(seal: SealView, hashed: str) -> str | None:
    """The holder whose code it is. Every holder is compared, whichever fits."""
    fits = [one.person for one in seal.holders if one.code_hash and hmac.compare_digest(one.code_hash, hashed)]
    return fits[0] if len(fits) == 1 else None


def _account(person_id: str) -> Account | None:
    account = Account.objects.select_related("person").filter(person_id=person_id, is_active=True).first()
    return account if account is not None and account.person.status == "active" else None


def _changed(row: EmergencySeal, person: str, **values: str) -> list[dict[str, Any]]:
    return [{**one, **values} if one["person"] == person else one for one in row.state["holders"]]


def _write(
    row: EmergencySeal,
    state: dict[str, Any],
    action: Action,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    **more: Any,
) -> None:
    staged = stage(EmergencySeal, id=row.pk, state=state, current=row)
    record(action=action, actor=actor, at=at, staged=[staged], reason=reason, detail={"seal": row.pk, **more})


def _again(row: EmergencySeal) -> EmergencySeal:
    return EmergencySeal.objects.get(pk=row.pk)


def _no() -> Invalid:
    return Invalid(
        "This code opens nothing.",
        fields={"code": "Check it against the paper. A code counts for one seal only."},
        remedy="If the emergency access was used or renewed since, the code on an older paper is void.",
    )
