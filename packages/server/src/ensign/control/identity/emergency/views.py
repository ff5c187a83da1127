"""`/emergency`: reachable without signing in. Two people give their codes, then each their own second factor."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ensign.control.identity import attempts, factors, sign_in
from ensign.control.identity.emergency import operations, queries, session
from ensign.control.identity.forms import CodeForm, PlainForm
from ensign.control.identity.gate import while_enrolling
from ensign.control.identity.models import Account
from ensign.control.identity.views import notices
from ensign.control.identity.views.sign_in import question_of
from ensign.control.identity.web import SeeOther, add_errors, form_page, network_address
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS
from ensign.control.kernel.errors import EnsignError, Invalid, RateLimited, Unauthenticated


class EmergencyForm(PlainForm):
    """A holder's code, and why."""

    code = forms.CharField(
        label="Your code",
        max_length=80,
        help_text="Eight groups of four, from your paper. Another holder enters theirs within 15 minutes.",
        widget=forms.TextInput(attrs={"class": "input-mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    reason = forms.CharField(
        label="Why", max_length=1000, help_text="Such as the incident's number. It stands in the log for the review."
    )


@while_enrolling
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Give a code."""
    at = clock.now()
    form = EmergencyForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            given = _give(request, form)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            if given.waits_until is not None:
                return render(request, "identity/emergency_waiting.html")
            sign_in.hold(request, given.account, at=at)
            session.mark(request, given.seal.id)
            return SeeOther(reverse("identity:emergency-factor"))
    return form_page(request, "identity/emergency.html", form, status=status, open=queries.open_seal(at=at))


def _give(request: HttpRequest, form: EmergencyForm) -> operations.Given:
    """Count the try, then judge it. A refusal is an entry.

    :raises RateLimited: after ten wrong codes from this address in 15 minutes.
    :raises Invalid: when the code opens nothing.
    """
    at, data = clock.now(), form.cleaned_data
    try:
        reservation = attempts.reserve([(attempts.EMERGENCY, (network_address(request),))], at=at)
    except RateLimited:
        sign_in.refused("limit", person_id=None, at=at)
        raise
    try:
        given = operations.give(actor=ANONYMOUS, at=at, code=data["code"], reason=data["reason"])
    except Invalid:
        sign_in.refused("emergency", person_id=None, at=at, reached=reservation.reached)
        raise
    attempts.succeeded(reservation, forget=attempts.PAIR, parts=())
    return given


@while_enrolling
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """The holder's own second factor, without which their code opens nothing."""
    at = clock.now()
    try:
        account = _held(request)
    except Unauthenticated:
        return redirect("identity:emergency")
    answer = request.POST.get("answer", "")
    form = CodeForm(request.POST if request.method == "POST" and not answer else None)
    status, problem = 200, ""
    if request.method == "POST" and (answer or form.is_valid()):
        try:
            with sign_in.guarded(account.person_id, at=at):
                if answer:
                    factors.use_passkey(answer, state=question_of(request), account=account, at=at)
                    strong = True
                else:
                    strong = factors.use_code(account, form.cleaned_data["code"], at=at) == "totp"
        except EnsignError as error:
            status, problem = add_errors(form, error), f"{error.message} {error.remedy}" if answer else ""
        else:
            sign_in.complete(request, account, way="emergency", at=at, mfa_at=at if strong else None)
            notices.tell(request, account.person_id, at=at)
            return SeeOther("/")
    kinds = {factor.kind for factor in factors.factors_of(account.person_id)}
    has = {"has_code": bool(kinds & {"totp", "recovery_codes"}), "has_passkey": "webauthn" in kinds}
    return form_page(request, "identity/emergency_factor.html", form, status=status, problem=problem, **has)


def _held(request: HttpRequest) -> Account:
    """Who gave their code in this browser, while the access is open.

    :raises Unauthenticated: when nobody did, or it is over.
    """
    at = clock.now()
    account = sign_in.held_account(request, at=at)
    if not session.still_open(request, at=at):
        raise Unauthenticated("The emergency access is not open.")
    return account
