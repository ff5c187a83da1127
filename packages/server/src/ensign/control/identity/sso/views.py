"""Addresses that people and providers come to, whatever protocol they speak, and OpenID Connect's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from ensign.control.identity import attempts, resuming
from ensign.control.identity.forms import SignInForm
from ensign.control.identity.gate import not_for_people, while_enrolling
from ensign.control.identity.models import Account
from ensign.control.identity.sso import arrival, kinds, queries, sessions
from ensign.control.identity.sso.domain import Asserted, NotLetIn, ProviderView, Purpose
from ensign.control.identity.sso.oidc import flow
from ensign.control.identity.sso.oidc.rules import LOGOUT_AGE, SKEW, BadToken
from ensign.control.identity.views import notices
from ensign.control.identity.web import SeeOther, network_address, next_address, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError, NotFound, Unauthenticated, Unavailable
from ensign.control.kernel.transactions import write_door

#: How long a session goes on whose provider does not answer when it is to be checked, before it is asked again.
PATIENCE: Final = timedelta(minutes=2)


@while_enrolling
@never_cache
@require_GET
def login(request: HttpRequest, key: str) -> HttpResponse:
    """Sign in through a provider."""
    target = next_address(request)
    if request.user.is_authenticated:
        return redirect(target)
    provider = queries.by_key(key)
    if not provider.active:
        return problem(request, NotLetIn("provider-disabled", "Nobody signs in through this provider any more."))
    return go(request, provider, purpose="sign-in", target=target)


@while_enrolling
@never_cache
@require_POST
def route(request: HttpRequest) -> HttpResponse:
    """From an address to where its people sign in: told by its domain, so that it says nothing about who is here."""
    target, email = next_address(request), request.POST.get("email", "").strip()
    if request.user.is_authenticated:
        return redirect(target)
    routed = queries.for_address(email)
    enforced = [one for one in routed if one.enforced]
    if len(enforced) == 1:
        return go(request, enforced[0], purpose="sign-in", target=target, hint=email)
    form = SignInForm(initial={"email": email})
    form.fields["password"].widget.attrs["autofocus"] = True
    form.fields["email"].widget.attrs.pop("autofocus", None)
    context = {"form": form, "next": target, "providers": enforced or routed, "password": not enforced, "step": 2}
    return render(request, "identity/sign_in.html", context)


def go(request: HttpRequest, provider: ProviderView, *, purpose: Purpose, target: str, hint: str = "") -> HttpResponse:
    """Send the browser to a provider, or show why that does not work at present."""
    try:
        begin = kinds.of(provider.kind).begin
        answer = begin(request, provider, purpose=purpose, target=target, hint=hint, at=clock.now())
    except EnsignError as error:
        return problem(request, error)
    if request.method == "POST" and answer.has_header("Location"):
        # The policy of our pages (form-action) lets no form lead to another host, not even by a redirect.
        leaving = {"provider": provider, "address": answer["Location"]}
        return render(request, "identity/provider_leaving.html", leaving)
    return answer


@while_enrolling
@never_cache
@require_GET
def renew(request: HttpRequest) -> HttpResponse:
    """Have the provider vouch again for who is signed in, without a question; it happens by itself."""
    kept, target, at = sessions.mark(request), next_address(request), clock.now()
    if kept is None or not isinstance(request.user, Account):
        return redirect(target)
    provider = queries.provider(kept.provider)
    try:
        begin = kinds.of(provider.kind).begin
        return begin(request, provider, purpose="renew", target=target, hint=request.user.email, at=at)
    except Unavailable as error:
        return _not_renewed(request, error, target=target, at=at)


@while_enrolling
@never_cache
@require_GET
def confirm(request: HttpRequest) -> HttpResponse:
    """The step-up at the provider that this session began at: prove a second factor there."""
    signed_in(request)
    kept, target = sessions.mark(request), next_address(request)
    if kept is None:
        return redirect(f"{reverse('identity:confirm')}?{urlencode({'next': target})}")
    return go(request, queries.provider(kept.provider), purpose="confirm", target=target)


@while_enrolling
@never_cache
@require_GET
def callback(request: HttpRequest, key: str) -> HttpResponse:
    """Where an OpenID provider sends the browser back to."""
    at, provider = clock.now(), _speaking_oidc(key)
    limits = [(attempts.PROVIDER, (network_address(request),))]
    try:
        reserved = attempts.reserve(limits, at=at)
        asked = flow.question_of(request, provider, at=at)
    except NotLetIn as error:
        arrival.refused(provider.id, error, at=at)
        return problem(request, error)
    except EnsignError as error:
        return problem(request, error)
    try:
        asserted = flow.answer_of(request, provider, asked, at=at)
    except EnsignError as error:
        return unanswered(request, provider, error, purpose=asked.purpose, target=asked.target, at=at)
    answer = arrived(request, provider, asserted, purpose=asked.purpose, target=asked.target, at=at)
    if answer.status_code < 400:
        attempts.succeeded(reserved, forget=attempts.PAIR, parts=())
    return answer


def arrived(
    request: HttpRequest, provider: ProviderView, asserted: Asserted, *, purpose: Purpose, target: str, at: datetime
) -> HttpResponse:
    """Go on with what a provider asserted and its protocol has verified, by what it was asked for."""
    if purpose == "try":
        return render(
            request, "identity/provider_tried.html", {"provider": provider, "asserted": asserted, "back": target}
        )
    try:
        if purpose == "renew":
            arrival.renew(request, asserted, at=at)
        elif purpose == "confirm":
            arrival.confirm(request, asserted, at=at)
            if resuming.kept(request, at=at) is not None:
                target = reverse("identity:resume")
        else:
            account = arrival.arrive(request, asserted, at=at)
            notices.tell(request, account.person_id, at=at)
    except Unauthenticated as error:  # a refusal of ours, or of the rules of signing in; recorded
        return problem(request, error)
    return SeeOther(target)


def unanswered(
    request: HttpRequest, provider: ProviderView, error: EnsignError, *, purpose: Purpose, target: str, at: datetime
) -> HttpResponse:
    """Go on when the provider answered otherwise than by vouching: a refusal is an entry, an outage none."""
    if purpose == "renew":
        return _not_renewed(request, error, target=target, at=at)
    if isinstance(error, NotLetIn):
        arrival.refused(provider.id, error, at=at)
    return problem(request, error)


def _not_renewed(request: HttpRequest, error: EnsignError, *, target: str, at: datetime) -> HttpResponse:
    """An outage is waited for, within the session's limit; anything else ends the session."""
    kept = sessions.mark(request)
    outage = isinstance(error, Unavailable) or error.code in flow.TEMPORARY
    if outage and kept is not None and kept.limit_at is not None and at + PATIENCE < kept.limit_at:
        sessions.postponed(request, at=at, by=PATIENCE)
        return SeeOther(target)
    refusal = error if isinstance(error, NotLetIn) else NotLetIn(error.code, error.message, remedy=error.remedy)
    arrival.end_unrenewed(request, refusal, at=at)
    return problem(request, refusal)


def problem(request: HttpRequest, error: EnsignError) -> HttpResponse:
    """The page that says why a sign-in through a provider came to nothing, and what to do."""
    status = 503 if isinstance(error, Unavailable) else 429 if error.code == "rate-limited" else 422
    down = isinstance(error, Unavailable)
    return render(request, "identity/provider_problem.html", {"problem": error, "down": down}, status=status)


@not_for_people
@csrf_exempt
@never_cache
@require_POST
def backchannel_logout(request: HttpRequest, key: str) -> HttpResponse:
    """A provider says, server to server, that somebody has signed out or left (Back-Channel Logout 1.0, 2.5 to 2.8)."""
    at = clock.now()
    token = request.POST.get("logout_token", "")
    try:
        provider = _speaking_oidc(key)
        reserved = attempts.reserve([(attempts.PROVIDER, (network_address(request),))], at=at)
        subject, sid, jti = flow.logout_of(provider, token, at=at)
    except (BadToken, NotFound) as error:
        return _logout_answer(400, f"invalid: {error}")
    except Unavailable:
        return _logout_answer(503, "keys unavailable")
    except EnsignError:
        return _logout_answer(429, "too many failed tries")
    with write_door():
        if sessions.seen_before(f"{provider.id}/logout/{jti}", until=at + LOGOUT_AGE + 3 * SKEW, at=at):
            return _logout_answer(400, "invalid: replay")
        sessions.end_by_provider(provider, subject=subject, sid=sid, at=at)
    attempts.succeeded(reserved, forget=attempts.PAIR, parts=())
    return _logout_answer(200, "")


def _logout_answer(status: int, why: str) -> HttpResponse:
    answer: HttpResponse = HttpResponse(status=200)
    if status != 200:
        answer = JsonResponse({"error": "invalid_request", "error_description": why}, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def _speaking_oidc(key: str) -> ProviderView:
    provider = queries.by_key(key)
    if provider.kind != "oidc":
        raise NotFound("There is no such identity provider.", remedy="Start again from the sign-in page.")
    return provider
