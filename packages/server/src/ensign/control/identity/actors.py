"""Who acts: the actor of a session or of a token."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest

from ensign.control.identity import enforcing
from ensign.control.identity.models import Account, Person, ServiceAccount, Token, TokenUse
from ensign.control.identity.sessions import SIGNED_IN_AT
from ensign.control.identity.tokens import hashed, is_token
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.errors import Unauthenticated

#: Where a session keeps when it last proved a second factor (``kernel.clock.text``), and by what.
MFA_AT = "ensign_mfa_at"
MFA_WAY = "ensign_mfa_way"


def from_request(request: HttpRequest) -> Actor:
    """The actor of the request's session; ``kernel.actor.ANONYMOUS`` when nobody is signed in."""
    user = request.user
    if not isinstance(user, Account) or not user.is_active:
        return ANONYMOUS
    proved, began = request.session.get(MFA_AT), request.session.get(SIGNED_IN_AT)
    began_at = clock.parse(began) if isinstance(began, str) else None
    if not isinstance(proved, str):
        return Actor(kind="person", id=user.person_id, via="session", began_at=began_at)
    rules, by_passkey = enforcing.of_request(request), request.session.get(MFA_WAY) == "passkey"
    return Actor(
        kind="person",
        id=user.person_id,
        via="session",
        mfa_at=clock.parse(proved),
        mfa_window=rules.step_up,
        weak_mfa=not by_passkey and enforcing.needs_passkey(user.person_id, rules=rules, at=clock.now()),
        began_at=began_at,
    )


def from_token(text: str, *, at: datetime) -> Actor:
    """The actor of a personal or service token. Its scope is applied by ``access.decisions``.

    :raises Unauthenticated: when there is no such token, it has ended, or its owner is no longer active. The message
        does not say which.
    """
    token = Token.objects.filter(token_hash=hashed(text), status="active").first() if is_token(text) else None
    if token is None or clock.parse(token.state["expires_at"]) <= at or not _owner_active(token):
        raise Unauthenticated(
            "This token is not valid: it is mistyped, has expired or was revoked.",
            remedy="Make a new one under Your account → Tokens, or ask the owner of the service account.",
        )
    _note_use(token.pk, at=at)
    return Actor(
        kind="person" if token.kind == "personal" else "service", id=token.subject, via="token", token_id=token.pk
    )


def _owner_active(token: Token) -> bool:
    owners = Person if token.kind == "personal" else ServiceAccount
    return bool(owners._base_manager.filter(pk=token.subject, status="active").exists())


def _note_use(token_id: str, *, at: datetime) -> None:
    """Remember the use, at most every ten minutes, so that reading the API does not write all the time."""
    last = TokenUse.objects.filter(pk=token_id).values_list("last_used_at", flat=True).first()
    if last is None or (at - last).total_seconds() >= 600:
        TokenUse.objects.update_or_create(pk=token_id, defaults={"last_used_at": at})
