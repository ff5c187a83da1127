"""One's own tokens, and revoking any."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import rotation, tokens
from ensign.control.access.decisions import held, require
from ensign.control.access.forms import RotateForm, TokenForm
from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.identity.views.account import tabs
from ensign.control.identity.web import (
    SeeOther,
    add_errors,
    form_page,
    next_address,
    secret_page,
    signed_in,
)
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError


@never_cache
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """One's own tokens."""
    actor = signed_in(request)
    context = {"tokens": identity.tokens_of(actor.id), "now": clock.now(), "tabs": tabs("Tokens")}
    return render(request, "access/tokens.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make a personal token, shown once."""
    actor, at = signed_in(request), clock.now()
    # Whoever may not see a project does not learn here that there is one.
    form = TokenForm(request.POST or None, within=held(actor, at=at).projects(Permission.PROJECT_READ))
    status, back = 200, reverse("access:tokens")
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.create_personal(actor=actor, at=at, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return secret_page(request, "access/token.html", {"made": made, "back": back})
    more = {
        "title": "Make a personal token",
        "lead": "It acts as you, within your roles, and ends with them. For pipelines make a service account instead.",
        "act": "Make the token",
        "back": back,
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@never_cache
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, token_id: str) -> HttpResponse:
    """Make a successor of one's own token or of a service account's, shown once."""
    actor, at = signed_in(request), clock.now()
    token = identity.token(token_id)
    mine = token.subject == actor.id
    if not mine:
        require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    back = reverse("access:tokens") if mine else reverse("access:service-account", args=[token.subject])
    form = RotateForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            done = rotation.rotate(
                actor=actor,
                at=at,
                token_id=token_id,
                overlap=form.overlap_chosen(),
                days=data["days"],
                reason=data["reason"],
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return secret_page(request, "access/token.html", {"made": done.new, "old": done.predecessor, "back": back})
    more = {
        "title": f"Rotate “{token.name}”",
        "lead": "A new token of the same scope takes its place; both work until the present one ends.",
        "act": "Make the successor",
        "back": back,
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    """Revoke a token."""
    tokens.revoke(actor=signed_in(request), at=clock.now(), token_id=token_id, reason=request.POST.get("reason", ""))
    messages.success(request, "The token is revoked.")
    return SeeOther(next_address(request, default=reverse("access:tokens")))
