"""Pages about service accounts and their tokens."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import queries, service_accounts, tokens
from ensign.control.access.forms import ServiceAccountForm, ServiceTokenForm
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import grant_rows, may_grant, open_page, people_choices, shown, tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.web import SeeOther, add_errors, form_page, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """All service accounts."""
    holds, _ = open_page(request, Permission.ORG_READ)
    accounts = identity.service_accounts()
    owners = shown(account.owner for account in accounts)
    active = {person.id for person in identity.people(status="active")}
    context = {
        "rows": [{"account": a, "owner": owners[a.owner], "orphan": a.owner not in active} for a in accounts],
        "may_manage": holds.allows(Permission.ORG_SERVICE_ACCOUNTS_MANAGE),
        "may_list_tokens": holds.allows(Permission.ORG_LEDGER_READ),
        "tabs": tabs("Service accounts"),
    }
    return render(request, "access/service_accounts.html", context)


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make a service account."""
    holds, at = open_page(request, Permission.ORG_SERVICE_ACCOUNTS_MANAGE)
    form = ServiceAccountForm(request.POST or None, people=people_choices(), initial={"owner": holds.actor.id})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            account = service_accounts.create(actor=holds.actor, at=at, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return SeeOther(reverse("access:service-account", args=[account.id]))
    back = reverse("access:service-accounts")
    more = {"title": "Make a service account", "act": "Make the service account", "back": back}
    return form_page(request, "access/form.html", form, status=status, **more)


@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """One service account: what it may do, its tokens; name, purpose and owner can be changed here."""
    holds, at = open_page(request, Permission.ORG_READ)
    account = identity.service_account(service_account_id)
    initial = {"name": account.name, "purpose": account.purpose, "owner": account.owner}
    form = ServiceAccountForm(request.POST or None, people=people_choices(), initial=initial)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            service_accounts.update(
                actor=holds.actor, at=at, service_account_id=service_account_id, **form.cleaned_data
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The service account was changed.")
            return SeeOther(reverse("access:service-account", args=[service_account_id]))
    more = {
        "account": account,
        "owner": shown([account.owner])[account.owner],
        "orphan": not identity.is_active(account.owner),
        "grants": grant_rows(queries.grants(subject=account.id), holds),
        "tokens": identity.tokens_of(account.id),
        "now": at,
        "may_manage": holds.allows(Permission.ORG_SERVICE_ACCOUNTS_MANAGE),
        "may_grant": may_grant(holds),
        "tabs": tabs("Service accounts"),
    }
    return form_page(request, "access/service_account.html", form, status=status, **more)


@never_cache
@require_http_methods(["GET", "POST"])
def create_token(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """Make a token, shown once."""
    holds, at = open_page(request, Permission.ORG_SERVICE_ACCOUNTS_MANAGE)
    account = identity.service_account(service_account_id)
    form = ServiceTokenForm(request.POST or None)
    status = 200
    back = reverse("access:service-account", args=[account.id])
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.create_for_service(actor=holds.actor, at=at, service_account_id=account.id, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return secret_page(request, "access/token.html", {"made": made, "back": back})
    more = {"title": f"A token for {account.name}", "act": "Make the token", "back": back}
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def take_over(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """Become its owner."""
    service_accounts.take_over(actor=signed_in(request), at=clock.now(), service_account_id=service_account_id)
    messages.success(request, "You answer for it now. Rotate its tokens: who owned it may have kept copies.")
    return SeeOther(reverse("access:service-account", args=[service_account_id]))


@require_POST
def disable(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """Disable it and revoke its tokens."""
    service_accounts.disable(
        actor=signed_in(request),
        at=clock.now(),
        service_account_id=service_account_id,
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, "The service account is disabled and its tokens are revoked.")
    return SeeOther(reverse("access:service-account", args=[service_account_id]))


@require_POST
def enable(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """Enable it again."""
    service_accounts.enable(actor=signed_in(request), at=clock.now(), service_account_id=service_account_id)
    messages.success(request, "The service account is active again. It needs new tokens.")
    return SeeOther(reverse("access:service-account", args=[service_account_id]))
