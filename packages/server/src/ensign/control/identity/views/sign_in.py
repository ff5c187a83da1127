"""Signing in with password, second factor or passkey; confirming it is still you; signing out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.identity import attempts, enforcing, factors, queries, resuming, sign_in, webauthn
from ensign.control.identity.forms import AddressForm, CodeForm, ConfirmForm, SignInForm
from ensign.control.identity.gate import while_enrolling
from ensign.control.identity.models import Account
from ensign.control.identity.operations import own_account
from ensign.control.identity.sso import enforcement, sessions
from ensign.control.identity.sso.queries import active_providers, confirming
from ensign.control.identity.views import notices
from ensign.control.identity.web import SeeOther, add_errors, form_page, network_address, next_address, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError, Invalid, RateLimited, Unauthenticated

#: Where a session keeps the question that a passkey is answering.
QUESTION: Final = "ensign_passkey_question"


@while_enrolling
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Sign in by address and password, by passkey, or through a provider; with providers the address comes first."""
    target = next_address(request)
    if request.user.is_authenticated:
        return redirect(target)
    providers = active_providers()
    if providers and request.method != "POST":
        context = {"form": AddressForm(), "next": target, "providers": providers, "password": False, "step": 1}
        return render(request, "identity/sign_in.html", context)
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        at = clock.now()
        try:
            account = sign_in.authenticate(
                email=form.cleaned_data["email"],
                password=form.cleaned_data["password"],
                address=network_address(request),
                at=at,
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return _after_password(request, account, target, at=at)
    empty = not queries.anybody()
    return form_page(request, "identity/sign_in.html", form, status=status, next=target, password=True, empty=empty)


def _after_password(request: HttpRequest, account: Account, target: str, *, at: datetime) -> HttpResponse:
    if factors.has_factor(account):
        sign_in.hold(request, account, at=at)
        return SeeOther(f"{reverse('identity:second-factor')}?{urlencode({'next': target})}")
    return _signed_in(request, account, "password", target, at=at)


def _signed_in(request: HttpRequest, account: Account, way: sign_in.Way, target: str, *, at: datetime) -> HttpResponse:
    """Begin the session, and tell what its person should know."""
    sign_in.complete(request, account, way=way, at=at)
    notices.tell(request, account.person_id, at=at)
    return SeeOther(target)


@while_enrolling
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """The second half of signing in: a code, or a passkey's answer."""
    at, target = clock.now(), next_address(request)
    try:
        account = sign_in.held_account(request, at=at)
    except Unauthenticated:
        return redirect(f"{reverse('identity:sign-in')}?{urlencode({'next': target})}")
    answer = request.POST.get("answer", "")
    form = CodeForm(request.POST if request.method == "POST" and not answer else None)
    status, problem = 200, ""
    if request.method == "POST" and (answer or form.is_valid()):
        try:
            with sign_in.guarded(account.person_id, at=at):
                if answer:
                    factors.use_passkey(answer, state=question_of(request), account=account, at=at)
                    way: sign_in.Way = "passkey"
                else:
                    way = factors.use_code(account, form.cleaned_data["code"], at=at)
        except EnsignError as error:
            status, problem = _refusal(form, error, answered=bool(answer))
        else:
            return _signed_in(request, account, way, target, at=at)
    kinds = {factor.kind for factor in factors.factors_of(account.person_id)}
    return form_page(
        request,
        "identity/second_factor.html",
        form,
        status=status,
        problem=problem,
        next=target,
        has_code=bool(kinds & {"totp", "recovery_codes"}),
        has_passkey="webauthn" in kinds,
    )


@while_enrolling
@never_cache
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """Sign in by passkey alone: it says whose it is, and proves possession and the person at once."""
    at, target = clock.now(), next_address(request)
    address = network_address(request)
    try:
        reservation = attempts.reserve([(attempts.ADDRESS, (address,))], at=at)
        account = factors.use_passkey(request.POST.get("answer", ""), state=question_of(request), account=None, at=at)
        if not account.is_active or account.person.status != "active":
            raise Invalid("The passkey's answer is not valid.")
        enforcement.require_local(account.email)
    except RateLimited as error:
        return _passkey_refused(request, error, status=429)
    except Invalid as error:
        sign_in.refused("passkey", person_id=None, at=at)
        return _passkey_refused(request, error, status=422)
    except Unauthenticated as error:
        sign_in.refused("enforced", person_id=account.person_id, at=at)
        return _passkey_refused(request, error, status=422)
    try:
        sign_in.require_way("passkey", account, at=at)
    except Unauthenticated as error:
        return _passkey_refused(request, error, status=422)
    attempts.succeeded(reservation, forget=attempts.PAIR, parts=())
    return _signed_in(request, account, "passkey", target, at=at)


def _passkey_refused(request: HttpRequest, error: EnsignError, *, status: int) -> HttpResponse:
    problem = f"{error.message} {error.remedy}".strip()
    more = {"next": next_address(request), "password": True, "problem": problem}
    return form_page(request, "identity/sign_in.html", SignInForm(), status=status, **more)


@while_enrolling
@never_cache
@require_POST
def passkey_question(request: HttpRequest) -> JsonResponse:
    """The question for a passkey, for whoever signs in or confirms it is them. The answer is good once."""
    account: Account | None = None
    if isinstance(request.user, Account):
        account = request.user
    elif sign_in.PENDING in request.session:
        account = sign_in.held_account(request, at=clock.now())
    asked = webauthn.ask_to_sign_in(account)
    return ask(request, asked)


def ask(request: HttpRequest, asked: webauthn.Asked) -> JsonResponse:
    """Send a question to the browser and remember it in the session."""
    request.session[QUESTION] = asked.state
    return JsonResponse(asked.options)


def question_of(request: HttpRequest) -> dict[str, Any] | None:
    """The question last asked, forgotten at once: every answer is judged against a question of its own."""
    state = request.session.pop(QUESTION, None)
    return state if isinstance(state, dict) else None


@while_enrolling
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """The step-up: prove a second factor again, as approvals and changes of factors ask for it."""
    actor, at, target = signed_in(request), clock.now(), next_address(request)
    account = own_account(actor, act="factor.prove")
    kinds = {factor.kind for factor in factors.factors_of(actor.id)}
    answer = request.POST.get("answer", "")
    form = ConfirmForm(request.POST if request.method == "POST" and not answer else None)
    status, problem = 200, ""
    if request.method == "POST" and (answer or form.is_valid()):
        try:
            with sign_in.guarded(actor.id, at=at):
                if answer:
                    factors.use_passkey(answer, state=question_of(request), account=account, at=at)
                else:
                    factors.use_totp(account, form.cleaned_data["code"], at=at)
        except EnsignError as error:
            status, problem = _refusal(form, error, answered=bool(answer))
        else:
            sign_in.proved(request, way="passkey" if answer else "totp", at=at)
            return SeeOther(reverse("identity:resume") if resuming.kept(request, at=at) else target)
    if enforcing.needs_passkey(actor.id, rules=enforcing.of_request(request), at=at) and "webauthn" in kinds:
        kinds.discard("totp")  # it would be accepted, and count for nothing
    context: dict[str, Any] = {
        "has_code": "totp" in kinds,
        "has_passkey": "webauthn" in kinds,
        "next": target,
        "problem": problem,
    }
    context["provider"] = confirming(sessions.mark(request))
    context["minutes"] = enforcing.of_request(request).step_up_minutes
    return form_page(request, "identity/confirm.html", form, status=status, **context)


@never_cache
@require_GET
def resume(request: HttpRequest) -> HttpResponse:
    """After the step-up: what was sent when it was asked for, to be sent again."""
    signed_in(request)
    found = resuming.kept(request, at=clock.now())
    if found is None:
        messages.info(request, "There is nothing to go on with any more: begin again where you were.")
        return SeeOther("/")
    return render(request, "identity/resume.html", {"kept": found})


def _refusal(form: CodeForm, error: EnsignError, *, answered: bool) -> tuple[int, str]:
    """(status, problem above the form): a passkey's failure has no field to stand at."""
    if answered or isinstance(error, RateLimited):
        return (429 if isinstance(error, RateLimited) else 422), f"{error.message} {error.remedy}".strip()
    return add_errors(form, error), ""


@while_enrolling
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    sign_in.sign_out(request, at=clock.now())
    return SeeOther(reverse("identity:sign-in"))
