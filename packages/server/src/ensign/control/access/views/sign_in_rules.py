"""Settings: how people sign in, since when, and ending everybody's sessions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import sign_in_rules, signed_in
from ensign.control.access.permissions import Permission
from ensign.control.access.sign_in_forms import ResetForm, SignInRulesForm
from ensign.control.access.views.common import open_page, people_choices, shown, sign_in_tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.rules import TITLES, in_words
from ensign.control.identity.sessions import WAY
from ensign.control.identity.web import SeeOther, add_errors, form_page, network_address
from ensign.control.identity.web import signed_in as who_asks
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError

_READ = (Permission.ORG_SECURITY_MANAGE, Permission.ORG_LEDGER_READ)


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The rules in force, and for who may, the form that decides on others."""
    holds, at = open_page(request, *(_READ if request.method == "GET" else _READ[:1]))
    now = sign_in_rules.present()
    beginning = SignInRulesForm.beginning(now.rules, now.version)
    form = SignInRulesForm(request.POST or None, people=people_choices(), initial=beginning)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            sign_in_rules.change(
                actor=holds.actor,
                at=at,
                wanted=form.wanted(),
                address=network_address(request),
                way=str(request.session.get(WAY, "")),
                version=form.cleaned_data["version"],
                reason=form.cleaned_data["reason"],
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The sign-in rules are decided, and count from now on.")
            return SeeOther(reverse("access:sign-in-rules"))
    said = in_words(now.rules, identity.names(now.rules.listed))
    more = {
        "said": [(title, said[name]) for name, title in TITLES.items()],
        "present": now,
        "may_manage": holds.allows(Permission.ORG_SECURITY_MANAGE),
        "reset_form": ResetForm(prefix=None),
        "address": network_address(request),
        "tabs": sign_in_tabs("Rules"),
    }
    return form_page(request, "access/sign_in_rules.html", form, status=status, **more)


@never_cache
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Every decision on the rules: what, from, to, by whom, in force until when."""
    open_page(request, *_READ)
    decided = sign_in_rules.timeline()
    people = shown(one.by for one in decided)
    rows = [{"decided": one, "by": people[one.by]} for one in decided]
    return render(request, "access/sign_in_history.html", {"rows": rows, "tabs": sign_in_tabs("Rules")})


@require_POST
def end_everybody(request: HttpRequest) -> HttpResponse:
    """End everybody's sessions."""
    actor = who_asks(request)
    form = ResetForm(request.POST)
    form.is_valid()
    data = form.cleaned_data
    done = signed_in.end_everybody(
        actor=actor,
        at=clock.now(),
        keep=None if data.get("own") else request.session.session_key,
        tokens=bool(data.get("tokens")),
        reason=data.get("reason", ""),
    )
    if data.get("own"):
        return SeeOther(reverse("identity:sign-in"))
    messages.success(request, f"{done.sessions} sessions have ended and {done.tokens} personal tokens are revoked.")
    return SeeOther(reverse("access:sign-in-rules"))
