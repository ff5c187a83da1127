"""One's own second factors: authenticator app, passkeys, recovery codes."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.identity import enforcing, factors, sign_in, webauthn
from ensign.control.identity.adapters import relying_party
from ensign.control.identity.forms import AuthenticatorForm, PasskeyForm
from ensign.control.identity.gate import while_enrolling
from ensign.control.identity.operations import own_account
from ensign.control.identity.views.account import tabs
from ensign.control.identity.views.sign_in import ask, question_of
from ensign.control.identity.web import SeeOther, add_errors, form_page, next_address, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError

#: Where a session keeps the secret of an authenticator app until its first code confirms it.
SECRET: Final = "ensign_totp_secret"  # noqa: S105  # the name of a session's key


@while_enrolling
@never_cache
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """What one has enrolled, and what is missing."""
    actor, at = signed_in(request), clock.now()
    rows, rules = factors.factors_of(actor.id), enforcing.of_request(request)
    context = {
        "factors": rows,
        "has_totp": any(row.kind == "totp" for row in rows),
        "has_codes": any(row.kind == "recovery_codes" for row in rows),
        "strong": any(row.kind != "recovery_codes" for row in rows),
        "recent": actor.proved(at=at),
        "fresh": factors.new_factors(actor.id, since=at - sign_in.FRESH),
        "owed": enforcing.owed(actor.id, rules=rules, at=at),
        "rules": rules,
        "late": rules.due_at is not None and at >= rules.due_at,
        "tabs": tabs("Second factors"),
    }
    return render(request, "identity/security.html", context)


@while_enrolling
@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
def authenticator(request: HttpRequest) -> HttpResponse:
    """Enrol an authenticator app: scan, then confirm by its first code."""
    actor, at = signed_in(request), clock.now()
    account = own_account(actor, act="factor.change")
    first = not factors.has_factor(account)
    if not first and not actor.proved(at=at):
        return _step_up("identity:authenticator")
    secret = request.session.get(SECRET)
    if not isinstance(secret, str):
        secret = request.session[SECRET] = factors.new_totp_secret()
    form = AuthenticatorForm(request.POST or None, ask_password=first and account.has_usable_password())
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            with sign_in.guarded(actor.id, at=at):
                factors.enrol_totp(
                    actor=actor, at=at, secret=secret, code=data["code"], password=data.get("password", "")
                )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            del request.session[SECRET]
            sign_in.proved(request, way="totp", at=at)
            return _after_enrolment(request, actor)
    address = factors.totp_address(account, secret)
    picture = mark_safe(factors.qr_svg(address))  # noqa: S308  # paths made by the qrcode package, no text of anybody's
    return form_page(
        request, "identity/authenticator.html", form, status=status, picture=picture, secret=secret, address=address
    )


@while_enrolling
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    """Enrol a passkey."""
    actor, at = signed_in(request), clock.now()
    account = own_account(actor, act="factor.change")
    first = not factors.has_factor(account)
    if not first and not actor.proved(at=at):
        return _step_up("identity:passkey-new", then=next_address(request, default=""))
    form = PasskeyForm(request.POST or None, ask_password=first and account.has_usable_password())
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            with sign_in.guarded(actor.id, at=at):
                factors.enrol_passkey(
                    actor=actor,
                    at=at,
                    answer=data["answer"],
                    state=question_of(request),
                    name=data["name"],
                    password=data.get("password", ""),
                )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            sign_in.proved(request, way="passkey", at=at)
            return _after_enrolment(request, actor)
    return form_page(request, "identity/passkey.html", form, status=status, host=relying_party())


@while_enrolling
@never_cache
@require_POST
def passkey_question(request: HttpRequest) -> JsonResponse:
    """The question that a new passkey answers."""
    account = own_account(signed_in(request), act="factor.change")
    return ask(request, webauthn.ask_to_register(account))


@while_enrolling
@never_cache
@require_POST
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Fresh recovery codes, shown once."""
    actor, at = signed_in(request), clock.now()
    if not actor.proved(at=at):
        return _step_up("identity:security")
    codes = factors.make_recovery_codes(actor=actor, at=at)
    return secret_page(request, "identity/recovery_codes.html", {"codes": codes, "tabs": tabs("Second factors")})


@require_POST
def rename(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Give one of one's own passkeys another name."""
    actor, at = signed_in(request), clock.now()
    if not actor.proved(at=at):
        return _step_up("identity:security")
    factors.rename(actor=actor, at=at, factor_id=factor_id, name=request.POST.get("name", ""))
    messages.success(request, "That passkey has another name.")
    return SeeOther(reverse("identity:security"))


@require_POST
def remove(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Remove one of one's own factors."""
    actor, at = signed_in(request), clock.now()
    if not actor.proved(at=at):
        return _step_up("identity:security")
    factors.remove(actor=actor, at=at, factor_id=factor_id)
    messages.success(request, "That second factor was removed.")
    return SeeOther(reverse("identity:security"))


def _step_up(page: str, *, then: str = "") -> HttpResponse:
    """To the proof of a factor and back to ``page``, which goes on to ``then``."""
    back = reverse(page) + (f"?{urlencode({'next': then})}" if then else "")
    return redirect(f"{reverse('identity:confirm')}?{urlencode({'next': back}, safe='/')}")


def _after_enrolment(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Back to what the factor was wanted for, such as an approval key for a request; else to all factors."""
    enough = any(row.kind == "recovery_codes" for row in factors.factors_of(actor.id))
    more = "" if enough else " Now make recovery codes, for the day it is lost."
    messages.success(request, f"It is enrolled; from now on signing in with a password asks for it.{more}")
    return SeeOther(next_address(request, default=reverse("identity:security")))
