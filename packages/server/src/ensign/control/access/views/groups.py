"""Pages about groups."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import groups, queries
from ensign.control.access.forms import GroupForm
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import grant_rows, open_page, people_choices, tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.web import SeeOther, add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """All groups."""
    holds, _ = open_page(request, Permission.ORG_READ)
    context = {
        "groups": identity.groups(),
        "may_manage": holds.allows(Permission.ORG_GROUPS_MANAGE),
        "tabs": tabs("Groups"),
    }
    return render(request, "access/groups.html", context)


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make a group."""
    holds, at = open_page(request, Permission.ORG_GROUPS_MANAGE)
    form = GroupForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            group = groups.create(actor=holds.actor, at=at, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return SeeOther(reverse("access:group", args=[group.id]))
    more = {"title": "Make a group", "act": "Make the group", "back": reverse("access:groups")}
    return form_page(request, "access/form.html", form, status=status, **more)


@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, group_id: str) -> HttpResponse:
    """One group: who belongs to it, what it holds; its name can be changed here."""
    holds, at = open_page(request, Permission.ORG_READ)
    group = identity.group(group_id)
    may_manage = holds.allows(Permission.ORG_GROUPS_MANAGE)
    form = GroupForm(request.POST or None, initial={"name": group.name, "description": group.description})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            groups.update(actor=holds.actor, at=at, group_id=group_id, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The group was changed.")
            return SeeOther(reverse("access:group", args=[group_id]))
    belonging = set(group.members)
    more = {
        "group": group,
        "members": [identity.person(id) for id in group.members],
        "candidates": [c for c in people_choices() if c[0] not in belonging and c[0] != holds.actor.id],
        "grants": grant_rows(queries.grants(subject=group_id), holds),
        "may_manage": may_manage and group.status == "active",
        "may_members": holds.allows(Permission.ORG_GROUPS_MEMBERS) and group.status == "active",
        "tabs": tabs("Groups"),
    }
    return form_page(request, "access/group.html", form, status=status, **more)


@require_POST
def add_member(request: HttpRequest, group_id: str) -> HttpResponse:
    """Add a person."""
    person_id = request.POST.get("person", "")
    reason = request.POST.get("reason", "")
    changed = groups.add_member(
        actor=signed_in(request), at=clock.now(), group_id=group_id, person_id=person_id, reason=reason
    )
    if person_id in changed.members:
        messages.success(request, f"{identity.name(person_id)} belongs to the group now.")
    else:
        messages.info(request, "A role of this group takes a second person: see Requests.")
    return SeeOther(reverse("access:group", args=[group_id]))


@require_POST
def remove_member(request: HttpRequest, group_id: str, person_id: str) -> HttpResponse:
    """Remove a person."""
    groups.remove_member(actor=signed_in(request), at=clock.now(), group_id=group_id, person_id=person_id)
    messages.success(request, f"{identity.name(person_id)} no longer belongs to the group.")
    return SeeOther(reverse("access:group", args=[group_id]))


@require_POST
def archive(request: HttpRequest, group_id: str) -> HttpResponse:
    """Archive the group."""
    reason = request.POST.get("reason", "")
    groups.archive(actor=signed_in(request), at=clock.now(), group_id=group_id, reason=reason)
    messages.success(request, "The group is archived: nobody gets anything through it any more.")
    return SeeOther(reverse("access:groups"))
