"""Pages about people."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import people, queries, segregation
from ensign.control.access import signed_in as signed_in_where
from ensign.control.access.assigning import assignable
from ensign.control.access.catalogue import roles
from ensign.control.access.forms import InviteForm, ReasonForm
from ensign.control.access.people import Invitation
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import grant_rows, may_grant, open_page, tabs
from ensign.control.identity import factors, links
from ensign.control.identity import queries as identity
from ensign.control.identity.sso.queries import providers_of
from ensign.control.identity.web import SeeOther, add_errors, form_page, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Who is here."""
    holds, at = open_page(request, Permission.ORG_READ)
    status = request.GET.get("status", "")
    wanted = status if status in {"invited", "active", "disabled", "erased"} else None
    query = request.GET.get("q", "").strip().lower()
    everybody = [p for p in identity.people(status=wanted) if not query or query in f"{p.name} {p.email}".lower()]
    strong, seen = factors.people_with_factors(), identity.last_sign_ins()
    context = {
        "rows": [{"person": p, "strong": p.id in strong, "seen": seen.get(p.id)} for p in everybody],
        "q": request.GET.get("q", ""),
        "status": status,
        "blocked": signed_in_where.blocked(holds.actor, at=at) if holds.allows(Permission.ORG_PEOPLE_MANAGE) else (),
        "may_invite": holds.allows(Permission.ORG_PEOPLE_INVITE),
        "may_see_leavers": any(map(holds.allows, (Permission.ORG_SCIM_MANAGE, Permission.ORG_LEDGER_READ))),
        "tabs": tabs("People"),
    }
    return render(request, "access/people.html", context)


@require_GET
def detail(request: HttpRequest, person_id: str) -> HttpResponse:
    """One person: what they may do, and acts about them."""
    holds, at = open_page(request, Permission.ORG_READ)
    person = identity.person(person_id)
    conflicts = segregation.conflicts(at=at, subject=person.id)
    context = {
        "person": person,
        "itself": person.id == holds.actor.id,
        "grants": grant_rows(queries.grants_of(person.id), holds),
        "groups": identity.groups_of(person.id),
        "uncovered": [one for one in conflicts if one.exception is None],
        "excepted": list({one.exception.id: one.exception for one in conflicts if one.exception}.values()),
        "factors": factors.factors_of(person.id),
        "providers": providers_of(person.id),
        "tokens": [token for token in identity.tokens_of(person.id) if token.usable(at=at)],
        "invited_until": links.open_until("invite", person_id=person.id, at=at),
        "may_manage": holds.allows(Permission.ORG_PEOPLE_MANAGE),
        "may_invite": holds.allows(Permission.ORG_PEOPLE_INVITE),
        "may_recover": holds.allows(Permission.ORG_PEOPLE_RECOVER),
        "may_grant": may_grant(holds),
        "may_see_sessions": any(map(holds.allows, (Permission.ORG_LEDGER_READ, Permission.ORG_PEOPLE_MANAGE))),
        "form": ReasonForm(),
        "tabs": tabs("People"),
    }
    return render(request, "access/person.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link to hand over."""
    holds, at = open_page(request, Permission.ORG_PEOPLE_INVITE)
    form = InviteForm(request.POST or None, roles=assignable(holds, roles()))
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = people.invite(
                actor=holds.actor,
                at=at,
                email=data["email"],
                name=data["name"],
                wishes=form.wishes(),
                reason=data["reason"],
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return _link_page(request, made, "invite")
    return form_page(
        request,
        "access/form.html",
        form,
        status=status,
        title="Invite a person",
        lead="You get a link to hand over: no mail is sent. It works once, within 7 days.",
        act="Invite and show the link",
        back=reverse("access:people"),
    )


@never_cache
@require_POST
def invite_again(request: HttpRequest, person_id: str) -> HttpResponse:
    """A fresh invitation link; the earlier one ends."""
    made = people.invite_again(actor=signed_in(request), at=clock.now(), person_id=person_id)
    return _link_page(request, made, "invite")


@never_cache
@require_POST
def reset_link(request: HttpRequest, person_id: str) -> HttpResponse:
    """A link to choose a new password."""
    made = people.make_reset_link(actor=signed_in(request), at=clock.now(), person_id=person_id)
    return _link_page(request, made, "reset")


@require_POST
def remove_factors(request: HttpRequest, person_id: str) -> HttpResponse:
    """Remove the second factors of somebody who lost them."""
    actor, at = signed_in(request), clock.now()
    removed = people.remove_factors(actor=actor, at=at, person_id=person_id, reason=request.POST.get("reason", ""))
    messages.success(request, f"{removed} second {'factor was' if removed == 1 else 'factors were'} removed.")
    return SeeOther(reverse("access:person", args=[person_id]))


@require_POST
def deactivate(request: HttpRequest, person_id: str) -> HttpResponse:
    """End somebody's access at once."""
    reason = request.POST.get("reason", "")
    person = people.deactivate(actor=signed_in(request), at=clock.now(), person_id=person_id, reason=reason)
    messages.success(request, f"{person.display} is deactivated: sessions and personal tokens have ended.")
    return SeeOther(reverse("access:person", args=[person_id]))


@require_POST
def reactivate(request: HttpRequest, person_id: str) -> HttpResponse:
    """Let somebody back in."""
    reason = request.POST.get("reason", "")
    person = people.reactivate(actor=signed_in(request), at=clock.now(), person_id=person_id, reason=reason)
    messages.success(request, f"{person.display} is active again, with the roles that are still in force.")
    return SeeOther(reverse("access:person", args=[person_id]))


def _link_page(request: HttpRequest, made: Invitation, kind: str) -> HttpResponse:
    address = f"{settings.PUBLIC_URL}/{kind}/{made.link}"
    return secret_page(request, "access/link.html", {"made": made, "address": address, "kind": kind})
