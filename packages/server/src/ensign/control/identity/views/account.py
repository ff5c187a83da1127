"""One's own account: name, password, sessions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.identity import enforcing, operations, queries, sign_in
from ensign.control.identity.forms import PasswordForm, ProfileForm
from ensign.control.identity.models import Account
from ensign.control.identity.operations import own_account
from ensign.control.identity.web import SeeOther, add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.ui.looks import Choice


def tabs(current: str) -> tuple[Choice, ...]:
    """The rooms of one's own account."""
    rooms = (
        ("Profile", reverse("identity:account")),
        ("Second factors", reverse("identity:security")),
        ("Approval keys", reverse("identity:approval-keys")),
        ("Sessions", reverse("identity:sessions")),
        ("Sign-ins", reverse("access:own-logins")),
        ("Tokens", reverse("access:tokens")),
        ("What is held", reverse("privacy:mine")),
    )
    return tuple(Choice(label=label, href=href, current=label == current) for label, href in rooms)


@never_cache
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Who one is here."""
    actor = signed_in(request)
    person = queries.person(actor.id)
    form = ProfileForm(request.POST or None, initial={"name": person.name})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            operations.rename(actor=actor, at=clock.now(), name=form.cleaned_data["name"])
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Your name was changed.")
            return SeeOther(reverse("identity:account"))
    has_password = own_account(actor, act="password.change").has_usable_password()
    about = {"person": person, "groups": queries.groups_of(actor.id), "has_password": has_password}
    more = {**about, "tabs": tabs("Profile")}
    return form_page(request, "identity/account.html", form, status=status, **more)


@never_cache
@sensitive_post_parameters("old", "new")
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Another password; every other session ends."""
    actor, at = signed_in(request), clock.now()
    form = PasswordForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            with sign_in.guarded(actor.id, at=at):
                operations.change_password(
                    actor=actor,
                    at=at,
                    old=form.cleaned_data["old"],
                    new=form.cleaned_data["new"],
                    session_key=request.session.session_key,
                )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            sign_in.renew(request, Account.objects.select_related("person").get(person_id=actor.id))
            messages.success(request, "Your password was changed; your other sessions have ended.")
            return SeeOther(reverse("identity:account"))
    return form_page(request, "identity/password.html", form, status=status, tabs=tabs("Profile"))


@never_cache
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    """Where one is signed in."""
    actor = signed_in(request)
    rows = queries.sessions_of(actor.id, current=request.session.session_key)
    context = {"sessions": rows, "rules": enforcing.of_request(request), "tabs": tabs("Sessions")}
    return render(request, "identity/sessions.html", context)


@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one session elsewhere."""
    sign_in.end_session(actor=signed_in(request), session_id=session_id, at=clock.now())
    messages.success(request, "That session has ended.")
    return SeeOther(reverse("identity:sessions"))


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    key = request.session.session_key
    ended = sign_in.end_other_sessions(actor=signed_in(request), session_key=key, at=clock.now())
    messages.success(request, f"{ended} other {'session has' if ended == 1 else 'sessions have'} ended.")
    return SeeOther(reverse("identity:sessions"))
