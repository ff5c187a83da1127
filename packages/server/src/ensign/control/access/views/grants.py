"""Pages about grants: who holds which role where."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import grants, queries
from ensign.control.access.asked import RequestView
from ensign.control.access.assigning import assignable
from ensign.control.access.catalogue import roles
from ensign.control.access.decisions import denied
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.forms import GrantForm, RescheduleForm
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import grant_rows, may_grant, open_page, shown, subject_choices, tabs
from ensign.control.identity.web import SeeOther, add_errors, form_page, next_address, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """All grants, and what the roles mean."""
    holds, _ = open_page(request, Permission.ORG_READ)
    ended = request.GET.get("ended") == "1"
    context = {
        "rows": grant_rows(queries.grants(ended=ended), holds),
        "ended": ended,
        "roles": roles(),
        "organisation": queries.organisation(),
        "may_grant": may_grant(holds),
        "tabs": tabs("Access"),
    }
    return render(request, "access/grants.html", context)


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Give a role."""
    holds, at = open_page(request)
    offered = assignable(holds, roles())
    if not offered:
        raise denied(holds.decide(Permission.ORG_ACCESS_GRANT), Permission.ORG_ACCESS_GRANT, ORGANISATION)
    form = GrantForm(
        request.POST or None,
        roles=offered,
        subjects=subject_choices(),
        initial={"subject": request.GET.get("subject", ""), "role": request.GET.get("role", "")},
    )
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            wish = form.wish(at=at)
            given = grants.give(actor=holds.actor, at=at, subject=data["subject"], wish=wish, reason=data["reason"])
        except EnsignError as error:
            status = _end_errors(form, error)
        else:
            if isinstance(given, RequestView):
                messages.info(request, "It takes a second person: the request waits for their approval.")
                return SeeOther(reverse("access:request", args=[given.id]))
            messages.success(request, "The role is given.")
            return SeeOther(reverse("access:grants"))
    more = {"title": "Give a role", "act": "Give the role", "back": reverse("access:grants")}
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def end(request: HttpRequest, grant_id: str) -> HttpResponse:
    """End a grant at once."""
    reason = request.POST.get("reason", "")
    grants.end(actor=signed_in(request), at=clock.now(), grant_id=grant_id, reason=reason)
    messages.success(request, "The role has ended.")
    return SeeOther(next_address(request, default=reverse("access:grants")))


@require_http_methods(["GET", "POST"])
def reschedule(request: HttpRequest, grant_id: str) -> HttpResponse:
    """Move the end of a grant."""
    holds, at = open_page(request, Permission.ORG_READ)
    grant = queries.grant(grant_id)
    last = None if grant.ends_at is None else (grant.ends_at - timedelta(microseconds=1)).date()
    form = RescheduleForm(request.POST or None, initial={"ends_on": last})
    status = 200
    if request.method == "POST" and form.is_valid():
        ends_at, reason = form.ends_at(), form.cleaned_data["reason"]
        try:
            moved = grants.reschedule(actor=holds.actor, at=at, grant_id=grant_id, ends_at=ends_at, reason=reason)
        except EnsignError as error:
            status = _end_errors(form, error)
        else:
            if isinstance(moved, RequestView):
                messages.info(request, "It takes a second person: the request waits for their approval.")
                return SeeOther(reverse("access:request", args=[moved.id]))
            messages.success(request, "The role's end was moved.")
            return SeeOther(reverse("access:grants"))
    who = shown([grant.subject])[grant.subject].name
    more = {"title": f"When {grant.definition.name} of {who} ends", "act": "Move the end"}
    return form_page(request, "access/form.html", form, status=status, back=reverse("access:grants"), **more)


def _end_errors(form: GrantForm | RescheduleForm, error: EnsignError) -> int:
    """Put an operation's errors onto the form's fields, which ask for days instead of times."""
    for told, asked in (("starts_at", "starts_on"), ("ends_at", "ends_on")):
        if told in error.fields:
            error.fields[asked] = error.fields.pop(told)
    return add_errors(form, error)
