"""Pages about roles: which there are, what one allows and who holds it, making and changing custom ones."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import catalogue, custom_roles, effects, queries
from ensign.control.access.assigning import assignable
from ensign.control.access.catalogue import RoleRow
from ensign.control.access.permissions import Permission
from ensign.control.access.role_forms import RoleForm, by_level, initial, seen
from ensign.control.access.roles import EVERY
from ensign.control.access.views.common import grant_rows, open_page, shown, tabs
from ensign.control.audit import history
from ensign.control.identity.web import SeeOther, add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, EnsignError
from ensign.control.ui import looks


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """All roles, with how many grants give each."""
    holds, at = open_page(request, Permission.ORG_READ)
    archived = request.GET.get("archived") == "1"
    counts: dict[str, int] = {}
    for grant in queries.grants():
        if not grant.over(at=at):
            counts[grant.role] = counts.get(grant.role, 0) + 1
    rows = catalogue.role_rows(archived=archived)
    names = {row.role.key: row.role.name for row in rows}
    context = {
        "rows": [
            {"role": row.role, "grants": counts.get(row.role.key, 0), "gives": _gives(row, names)} for row in rows
        ],
        "archived": archived,
        "may_manage": holds.allows(Permission.ORG_ROLES_MANAGE),
        "tabs": tabs("Roles"),
    }
    return render(request, "access/roles.html", context)


def _gives(row: RoleRow, names: dict[str, str]) -> str:
    """The roles that a role gives, in words."""
    if EVERY in row.role.assigns:
        return "every role; within a project those that neither approve nor give roles"
    return ", ".join(sorted(names.get(key, key) for key in row.role.assigns))


@require_GET
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """One role: what it allows by level, who holds it, how it became what it is."""
    holds, at = open_page(request, Permission.ORG_READ)
    row = catalogue.role(key)
    names = {one.key: one.name for one in catalogue.roles(archived=True)}
    manages = holds.allows(Permission.ORG_ROLES_MANAGE)
    context = {
        "role": row.role,
        "levels": by_level(row.role),
        "gives": _gives(row, names),
        "copied": names.get(row.cloned_from or "", ""),
        "grants": grant_rows([grant for grant in queries.grants(role=key) if not grant.over(at=at)], holds),
        "moments": _moments(row),
        "may_copy": manages and not row.role.archived,
        "may_manage": manages and not row.role.builtin and not row.role.archived,
        "may_give": bool(assignable(holds, [row.role])) and not row.role.archived,
        "tabs": tabs("Roles"),
    }
    return render(request, "access/role.html", context)


def _moments(row: RoleRow) -> list[looks.Moment]:
    """What the log says of a custom role, newest first."""
    entries = history.of_object(f"role:{row.id}") if row.id else []
    people = shown(entry.actor["id"] for entry in entries)
    icons = {"role.created": "add", "role.archived": "archive"}
    return [
        looks.Moment(
            title=entry.title,
            at=entry.at,
            icon=icons.get(entry.action, "edit"),
            person=people.get(entry.actor["id"]),
            body=_told(entry),
            href=f"/log/{entry.seq}",
            link=f"Entry {entry.seq}",
        )
        for entry in entries
    ]


def _told(entry: history.EntryView) -> str:
    parts = [
        f"{word}: {', '.join(codes)}."
        for word, codes in (("Gained", entry.detail.get("gained")), ("Lost", entry.detail.get("lost")))
        if codes
    ]
    return " ".join([*parts, *([entry.reason] if entry.reason else [])])


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make a role, from nothing or from a copy (``?from=``)."""
    holds, at = open_page(request, Permission.ORG_ROLES_MANAGE)
    source = request.GET.get("from", "")
    begun: dict[str, Any] = {}
    if source:
        begun = initial(catalogue.role(source).role) | {"name": "", "description": ""}
    form = RoleForm(request.POST or None, roles=catalogue.roles(), initial=begun)
    status = 200
    if request.method == "POST" and form.is_valid():
        key = form.cleaned_data["key"]
        try:
            custom_roles.create(actor=holds.actor, at=at, key=key, wish=form.wish(), cloned_from=source or None)
        except EnsignError as error:
            status = _errors(form, error)
        else:
            messages.success(request, "The role is made. Nobody holds it yet.")
            return SeeOther(reverse("access:role", args=[key]))
    more = {"title": "Make a role", "act": "Make the role", "back": reverse("access:roles")}
    return form_page(request, "access/role_form.html", form, status=status, tabs=tabs("Roles"), **more)


@require_http_methods(["GET", "POST"])
def update(request: HttpRequest, key: str) -> HttpResponse:
    """Change a custom role; who gains and loses what is shown first, and saved only as it was shown."""
    holds, at = open_page(request, Permission.ORG_ROLES_MANAGE)
    row = catalogue.role(key)
    if row.role.builtin or row.role.archived:
        raise Conflict("This role never changes.", remedy="Make a copy and change that.")
    form = RoleForm(request.POST or None, roles=catalogue.roles(), fixed=True, initial=initial(row.role))
    status, effect, mark = 200, None, ""
    if request.method == "POST" and form.is_valid():
        wish = form.wish()
        try:
            after = custom_roles.wished(key, wish)
            mark = seen(after, version=row.version)
            effect = effects.effect(row.role, after, at=at)
            if request.POST.get("seen") == mark or not effect.holders:
                reason = form.cleaned_data["reason"]
                custom_roles.update(
                    actor=holds.actor, at=at, key=key, wish=wish, reason=reason, expected_version=row.version
                )
                messages.success(request, "The role is changed; it counts from now on.")
                return SeeOther(reverse("access:role", args=[key]))
        except EnsignError as error:
            status = _errors(form, error)
    more = {
        "title": f"Change {row.role.name}",
        "act": "Change the role" if effect is not None else "Look at whom it concerns",
        "back": reverse("access:role", args=[key]),
        "effect": effect,
        "seen": mark,
    }
    return form_page(request, "access/role_form.html", form, status=status, tabs=tabs("Roles"), **more)


def _errors(form: RoleForm, error: EnsignError) -> int:
    """Put an operation's errors onto the form's fields, which part the permissions by level."""
    if "permissions" in error.fields:
        error.fields["environment"] = error.fields.pop("permissions")
    return add_errors(form, error)


@require_POST
def archive(request: HttpRequest, key: str) -> HttpResponse:
    """Archive a role that nobody holds any more."""
    reason = request.POST.get("reason", "")
    custom_roles.archive(actor=signed_in(request), at=clock.now(), key=key, reason=reason)
    messages.success(request, "The role is archived: nobody can be given it any more.")
    return SeeOther(reverse("access:roles"))
