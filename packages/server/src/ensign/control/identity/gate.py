"""What stands before every page and every call of people: their network, and the second factor that they owe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from django.http import HttpRequest

from ensign.control.identity import enforcing, sign_in
from ensign.control.identity.actors import MFA_AT
from ensign.control.identity.models import Account
from ensign.control.identity.web import network_address
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied

_View = TypeVar("_View", bound=Callable[..., Any])

_NOT_FOR_PEOPLE: Final = "ensign_not_for_people"
_WHILE_ENROLLING: Final = "ensign_while_enrolling"

#: Codes of the two refusals.
NETWORK: Final = "network-not-allowed"
ENROLMENT: Final = "enrolment-required"


def not_for_people(view: _View) -> _View:
    """Mark a view that machines call (a directory, an identity provider): people's networks do not bind it."""
    setattr(view, _NOT_FOR_PEOPLE, True)
    return view


def while_enrolling(view: _View) -> _View:
    """Mark a view that somebody who owes a second factor may use: enrolling it, and leaving."""
    setattr(view, _WHILE_ENROLLING, True)
    return view


def refusal(request: HttpRequest, view: Callable[..., Any], *, at: datetime) -> Denied | None:
    """Why this page is not served to who asks, or None."""
    if getattr(view, _NOT_FOR_PEOPLE, False):
        return None
    return _network(request, at=at) or (None if getattr(view, _WHILE_ENROLLING, False) else _enrolment(request, at=at))


def require(request: HttpRequest, *, at: datetime) -> None:
    """For a call of the API in a session.

    :raises Denied: with :data:`NETWORK` or :data:`ENROLMENT`.
    """
    found = _network(request, at=at) or _enrolment(request, at=at)
    if found is not None:
        raise found


def require_network(request: HttpRequest, actor: Actor, *, at: datetime) -> None:
    """For a call by token: a personal token comes from where people come, a service account's from its own list.

    :raises Denied: with :data:`NETWORK`.
    """
    rules = enforcing.of_request(request)
    if not rules.allows_address(network_address(request), service=actor.kind == "service"):
        person_id = actor.id if actor.kind == "person" else None
        sign_in.refused("network", person_id=person_id, at=at)
        raise _outside()


def _network(request: HttpRequest, *, at: datetime) -> Denied | None:
    if enforcing.of_request(request).allows_address(network_address(request)):
        return None
    user = request.user
    if isinstance(user, Account):
        # A session that is used from elsewhere may be stolen. Strangers make no entries: they need not even try.
        sign_in.refused("network", person_id=user.person_id, at=at)
    return _outside()


def _outside() -> Denied:
    error = Denied(
        "Ensign is not used from this network address.",
        permission="network",
        remedy="Connect to your organisation's network, or ask an administrator.",
        code=NETWORK,
    )
    error.recorded = True  # by sign_in.refused, which sums up above a rate
    return error


def _enrolment(request: HttpRequest, *, at: datetime) -> Denied | None:
    """Nothing but enrolling, once the time for it is over."""
    rules, user = enforcing.of_request(request), request.user
    if not rules.demands or not isinstance(user, Account) or rules.due_at is None or at < rules.due_at:
        return None
    owed = enforcing.owed(user.person_id, rules=rules, at=at)
    if owed == "" or (owed == "factor" and MFA_AT in request.session):
        return None  # the second case: an identity provider vouched for a second factor
    what = "a passkey" if owed == "passkey" else "a second factor"
    error = Denied(
        f"Your organisation asks you to have {what}.",
        permission="factor.enrol",
        remedy="Enrol it under Your account → Second factors; everything else waits for it.",
        code=ENROLMENT,
    )
    error.recorded = True  # no refusal of a right, but a step that is due: the enrolment is the entry
    return error
