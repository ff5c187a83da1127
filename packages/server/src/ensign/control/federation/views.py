"""Pages of federation: which CI jobs may act as a service account, and why one may not."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access.decisions import Held
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, shown
from ensign.control.federation import checking, operations, queries
from ensign.control.federation.domain import GITHUB, RuleView, warnings
from ensign.control.federation.forms import RuleForm, TryForm, initial_of
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import ServiceAccountView
from ensign.control.identity.web import SeeOther, add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.ui.looks import Crumb


def _crumbs(account: ServiceAccountView, *steps: tuple[str, str]) -> list[Crumb]:
    home = [("Service accounts", reverse("access:service-accounts"))]
    home.append((account.name, reverse("access:service-account", args=[account.id])))
    return [Crumb(label=label, href=href) for label, href in [*home, *steps]]


@require_GET
def listing(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """The rules of a service account, and the tokens that were made by them last."""
    holds, at = open_page(request, Permission.ORG_READ)
    account = identity.service_account(service_account_id)
    rules = queries.rules(service_account=account.id, ended=True)
    names = {rule.id: rule.name for rule in rules}
    recent = identity.federated_of(account.id)
    context = {
        "account": account,
        "steps": _crumbs(account, ("CI jobs", "")),
        "rules": [{"rule": rule, "warnings": warnings(rule.shape, rule.claims)} for rule in rules],
        "recent": [{"token": token, "rule": names.get(token.rule or "", "")} for token in recent],
        "now": at,
        "may_manage": holds.allows(Permission.ORG_SERVICE_ACCOUNTS_MANAGE),
    }
    return render(request, "federation/rules.html", context)


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, service_account_id: str) -> HttpResponse:
    """Make a rule."""
    holds, at = open_page(request, Permission.ORG_SERVICE_ACCOUNTS_MANAGE)
    account = identity.service_account(service_account_id)
    form = RuleForm(request.POST or None, initial={"issuer": GITHUB, "audience": settings.PUBLIC_URL})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            rule = operations.create(actor=holds.actor, at=at, service_account_id=account.id, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The rule counts from now on. Try it with a token of a job.")
            return SeeOther(reverse("federation:rule", args=[rule.id]))
    back = reverse("federation:rules", args=[account.id])
    more = {
        "title": f"Let CI jobs act as {account.name}",
        "lead": "The job proves who it is with the ID token of its CI; nothing has to be stored there.",
        "act": "Make the rule",
        "back": back,
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, rule_id: str) -> HttpResponse:
    """One rule: what it says, changing it, trying a token."""
    holds, at = open_page(request, Permission.ORG_READ)
    rule = queries.rule(rule_id)
    form = RuleForm(request.POST or None, initial=initial_of(rule))
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            operations.change(actor=holds.actor, at=at, rule_id=rule_id, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The rule was changed; tokens made by it before have ended.")
            return SeeOther(reverse("federation:rule", args=[rule_id]))
    return _page(request, holds, rule, form=form, attempt=TryForm(), status=status)


@never_cache
@sensitive_post_parameters("subject_token")
@require_POST
def try_out(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Say which claim of a token does not match."""
    holds, at = open_page(request, Permission.ORG_SERVICE_ACCOUNTS_MANAGE)
    rule = queries.rule(rule_id)
    attempt, verdict = TryForm(request.POST), None
    if attempt.is_valid():
        token = attempt.cleaned_data["subject_token"]
        verdict = checking.try_token(actor=holds.actor, at=at, rule_id=rule_id, subject_token=token)
        attempt = TryForm()  # the token is not shown again
    form = RuleForm(initial=initial_of(rule))
    status = 422 if verdict is None else 200
    return _page(request, holds, rule, form=form, attempt=attempt, verdict=verdict, status=status)


def _page(
    request: HttpRequest,
    holds: Held,
    rule: RuleView,
    *,
    form: RuleForm,
    attempt: TryForm,
    verdict: checking.Verdict | None = None,
    status: int = 200,
) -> HttpResponse:
    account = identity.service_account(rule.service_account)
    back = reverse("federation:rules", args=[account.id])
    more = {
        "rule": rule,
        "account": account,
        "steps": _crumbs(account, ("CI jobs", back), (rule.name, "")),
        "claims": sorted(rule.claims.items()),
        "warnings": warnings(rule.shape, rule.claims),
        "by": shown([rule.changed_by])[rule.changed_by],
        "attempt": attempt,
        "verdict": verdict,
        "may_manage": holds.allows(Permission.ORG_SERVICE_ACCOUNTS_MANAGE) and rule.status == "active",
    }
    return form_page(request, "federation/rule.html", form, status=status, **more)


@require_POST
def end(request: HttpRequest, rule_id: str) -> HttpResponse:
    """End a rule and its tokens."""
    rule = operations.end(
        actor=signed_in(request), at=clock.now(), rule_id=rule_id, reason=request.POST.get("reason", "")
    )
    messages.success(request, "The rule has ended, and the tokens made by it with it.")
    return SeeOther(reverse("federation:rules", args=[rule.service_account]))
