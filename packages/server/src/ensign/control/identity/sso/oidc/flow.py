"""One sign-in, from the redirect to the callback.

The question (state, nonce, PKCE verifier, purpose, where to go afterwards) stays in the browser's own session and is
good once, for ten minutes: an answer to somebody else's question, or to one that was answered, opens nothing.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from ensign.control.identity.sso.domain import Asserted, NotLetIn, ProviderView, Purpose
from ensign.control.identity.sso.oidc import client, metadata, rules, shapes
from ensign.control.kernel import clock

#: Where a session keeps the questions that are open.
OPEN: Final = "ensign_oidc"
OPEN_MAX: Final = 5
ANSWER_WITHIN: Final = timedelta(minutes=10)

_TYPES: Final = ("jwt",)
_LOGOUT_TYPES: Final = ("jwt", "logout+jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked of a provider. ``target`` is a path of ours."""

    provider: str
    nonce: str
    verifier: str
    purpose: Purpose
    target: str
    at: datetime


class NoAnswer(NotLetIn):
    """The provider sent the browser back without an answer; ``code`` is ``provider-`` and its own word for why."""


def begin(
    request: HttpRequest, provider: ProviderView, *, purpose: Purpose, target: str, hint: str, at: datetime
) -> HttpResponse:
    """Send the browser to the provider.

    :raises ProviderDown: when its endpoints cannot be had.
    """
    pkce = generate_code_challenge()
    state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    asked = {
        "nonce": nonce,
        "code_challenge": pkce["code_challenge"].decode(),
        "code_challenge_method": pkce["code_challenge_method"],
        **_asking(provider, purpose, hint),
    }
    address = client.redirect_address(request, provider, state=state, **asked)
    waiting = request.session.get(OPEN)
    kept = dict(list(waiting.items())[-(OPEN_MAX - 1) :]) if isinstance(waiting, dict) else {}
    kept[state] = {
        "provider": provider.id,
        "nonce": nonce,
        "verifier": pkce["code_verifier"],
        "purpose": purpose,
        "target": target,
        "at": clock.text(at),
    }
    request.session[OPEN] = kept
    if not request.user.is_authenticated:
        request.session.set_expiry(int(ANSWER_WITHIN.total_seconds()))  # who never comes back leaves little behind
    response = HttpResponseRedirect(address)
    response["Cache-Control"] = "no-store"
    return response


def _asking(provider: ProviderView, purpose: Purpose, hint: str) -> dict[str, str]:
    asked: dict[str, str] = {}
    if purpose == "renew":
        asked["prompt"] = "none"
    elif purpose == "confirm":
        asked |= {"prompt": "login", "max_age": "0"}
    elif provider.mfa_counts:
        asked["max_age"] = str(provider.session_hours * 3600)  # with it the answer says when they signed in (Core, 2)
    if provider.shape == "google" and provider.domains:
        asked["hd"] = provider.domains[0] if len(provider.domains) == 1 else "*"
    if hint and len(hint) <= 254 and purpose != "confirm":
        asked["login_hint"] = hint
    return asked


def question_of(request: HttpRequest, provider: ProviderView, *, at: datetime) -> Question:
    """The question that this callback answers; it is forgotten at once.

    :raises NotLetIn: when this browser asked nothing of the kind, or something of another provider, or long ago.
    """
    state, waiting = request.GET.get("state", ""), request.session.get(OPEN)
    kept = dict(waiting) if isinstance(waiting, dict) else {}
    found: dict[str, Any] | None = kept.pop(state, None) if state else None
    request.session[OPEN] = kept
    if found is None:
        raise _stale("state-unknown")
    asked = Question(**{**found, "at": clock.parse(found["at"])})
    if not hmac.compare_digest(asked.provider, provider.id):
        raise _stale("state-of-another")
    if at - asked.at > ANSWER_WITHIN:
        raise _stale("state-old")
    return asked


def answer_of(request: HttpRequest, provider: ProviderView, asked: Question, *, at: datetime) -> Asserted:
    """What the provider asserts in answer to ``asked``, verified in full.

    1. The answer names this provider, if it names one (RFC 9207), and is no refusal.
    2. The code is exchanged, with the verifier.
    3. The ID token is signed by the provider's keys (``keys``) and an answer to our question (``rules``).
    4. What the ID token lacks is asked of the user info, for the same subject.
    5. The claims are read by the provider's shape.

    :raises NotLetIn: naming the step. :raises ProviderDown: when the provider does not answer.
    """
    published = metadata.config(provider)
    named = request.GET.get("iss")
    if named is None and published.get("authorization_response_iss_parameter_supported") is True:
        raise _forged(provider, "iss-missing")
    if named is not None and named != provider.settings["issuer"]:
        raise _forged(provider, "iss-of-another")
    if "error" in request.GET:
        raise _no_answer(provider, request.GET["error"])
    code = request.GET.get("code", "")
    if not 1 <= len(code) <= 4096:
        raise _forged(provider, "no-code")
    token, access = client.exchange(request, provider, code=code, verifier=asked.verifier)
    try:
        claims, algorithm = metadata.claims_of(provider, token, types=_TYPES)
        rules.check_id_token(
            claims,
            issuer=provider.settings["issuer"],
            client_id=provider.settings["client_id"],
            nonce=asked.nonce,
            algorithm=algorithm,
            access_token=access,
            at=at,
            max_age=timedelta(0) if asked.purpose == "confirm" else None,
        )
    except rules.BadToken as error:
        raise _forged(provider, f"token-{error}".replace(" ", "-")) from error
    if shapes.needs_more(provider, claims):
        claims = shapes.together(claims, client.user_info(provider, access, subject=claims["sub"]))
    return shapes.read(provider, claims, at=at)


def logout_of(provider: ProviderView, token: str, *, at: datetime) -> tuple[str, str, str]:
    """(subject, sid, jti) of a log-out token, either of the first two may be "".

    :raises rules.BadToken: naming the rule. :raises ProviderDown: when the provider's keys cannot be had.
    """
    claims, _ = metadata.claims_of(provider, token, types=_LOGOUT_TYPES)
    settings = provider.settings
    rules.check_logout_token(claims, issuer=settings["issuer"], client_id=settings["client_id"], at=at)
    return claims.get("sub") or "", claims.get("sid") or "", claims["jti"]


#: What a provider says instead of an answer (Core 3.1.2.6, RFC 6749 4.1.2.1), told apart for who is asked silently.
TEMPORARY: Final = frozenset({"provider-temporarily_unavailable", "provider-server_error"})
_WORDS: Final = frozenset(
    {
        "access_denied",
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
        "server_error",
        "temporarily_unavailable",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_response_type",
    }
)


def _no_answer(provider: ProviderView, word: str) -> NoAnswer:
    known = word if word in _WORDS else "other"
    return NoAnswer(
        f"provider-{known}",
        f"{provider.name} did not sign you in ({known.replace('_', ' ')}).",
        remedy="Start again. If it stays so, ask whoever manages that provider whether you may use Ensign.",
    )


def _stale(code: str) -> NotLetIn:
    return NotLetIn(
        code,
        "This answer belongs to no sign-in that was begun in this browser, or to one that is over.",
        remedy="Start again from the sign-in page.",
    )


def _forged(provider: ProviderView, code: str) -> NotLetIn:
    return NotLetIn(
        code,
        f"What came back from {provider.name} is not a valid answer ({code}).",
        remedy="Start again. If it happens each time, an administrator checks the provider's settings.",
    )
