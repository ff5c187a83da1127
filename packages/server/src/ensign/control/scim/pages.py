"""Pages about the directory and about leavers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, shown, sign_in_tabs, tabs
from ensign.control.audit.history import EntryView
from ensign.control.identity import queries as identity
from ensign.control.identity.web import SeeOther, add_errors, form_page, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.scim import departures, leavers, queries, refusals, tokens
from ensign.control.scim.forms import DepartureForm, LimitForm, PeriodForm, RotateForm, TokenForm, midnight
from ensign.control.ui import looks

_NAMED = 3
_READ = (Permission.ORG_SCIM_MANAGE, Permission.ORG_LEDGER_READ)

WORDS = {
    leavers.LATE: "Late",
    leavers.STILL_ACTIVE: "Still active",
    leavers.ACTIVE_AFTER: "Active afterwards",
}


@require_GET
def directory(request: HttpRequest) -> HttpResponse:
    """The directory: its address, its tokens, what it did lately, what was refused."""
    holds, at = open_page(request, *_READ)
    made = tokens.tokens()
    entries = [{"entry": entry, "who": _about(entry)} for entry in queries.recent()]
    people = shown([token.created_by for token in made])
    context = {
        "directory": queries.directory(at=at),
        "tokens": [{"token": t, "by": people[t.created_by], "usable": t.usable(at=at)} for t in made],
        "recent": entries,
        "refusals": [{"row": row, "who": _who(row.subject)} for row in refusals.last()],
        "may_manage": holds.allows(Permission.ORG_SCIM_MANAGE),
        "may_read": holds.allows(Permission.ORG_LEDGER_READ),
        "now": at,
        "tabs": sign_in_tabs("Directory"),
    }
    return render(request, "scim/directory.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token, shown once."""
    holds, at = open_page(request, Permission.ORG_SCIM_MANAGE)
    form = TokenForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.create(actor=holds.actor, at=at, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return _secret(request, made)
    more = {"title": "A token for the directory", "act": "Make the token", "back": reverse("scim:directory")}
    return form_page(request, "access/form.html", form, status=status, **more)


@never_cache
@require_http_methods(["GET", "POST"])
def rotate_token(request: HttpRequest, token_id: str) -> HttpResponse:
    """Make the next token, shown once; the present one ends after the overlap."""
    holds, at = open_page(request, Permission.ORG_SCIM_MANAGE)
    present = tokens.token(token_id)
    form = RotateForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.rotate(actor=holds.actor, at=at, token_id=token_id, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return _secret(request, made)
    more = {"title": f"Rotate {present.name}", "act": "Make the next token", "back": reverse("scim:directory")}
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def revoke_token(request: HttpRequest, token_id: str) -> HttpResponse:
    """Revoke a token at once."""
    tokens.revoke(actor=signed_in(request), at=clock.now(), token_id=token_id, reason=request.POST.get("reason", ""))
    messages.success(request, "The token is revoked.")
    return SeeOther(reverse("scim:directory"))


@require_GET
def leaver_report(request: HttpRequest) -> HttpResponse:
    """Who left in a period, and how soon they were out."""
    holds, at = open_page(request, *_READ)
    first = (at - timedelta(days=90)).date()
    form = PeriodForm(request.GET or None, initial={"since": first, "until": at.date()})
    since, until = midnight(first), at + timedelta(seconds=1)
    if form.is_bound and form.is_valid():
        since, until = form.period()
    made, status = None, 200
    try:
        made = leavers.report(since=since, until=until, at=at)
    except EnsignError as error:
        status = add_errors(form, error) if form.is_bound else 422
    rows = [] if made is None else made.leavers
    by = shown([one.disabled_by for one in rows if one.disabled_by])
    context = {
        "report": made,
        "rows": [
            {"one": one, "by": by.get(one.disabled_by), "words": [WORDS[code] for code in one.exceptions]}
            for one in rows
        ],
        "limit_form": LimitForm(initial={"hours": departures.hours()}),
        "may_export": holds.allows(Permission.ORG_LEDGER_EXPORT),
        "may_set": holds.allows(Permission.ORG_SECURITY_MANAGE),
        "tabs": tabs("People"),
    }
    return form_page(request, "scim/leavers.html", form, status=status, **context)


@require_POST
def export_leavers(request: HttpRequest) -> HttpResponse:
    """The report as CSV; the export is an entry."""
    return period_csv(request, name="leavers", export=leavers.export)


def period_csv(request: HttpRequest, *, name: str, export: Callable[..., bytes]) -> HttpResponse:
    """The report ``name`` of the posted period as a download; without a period back to its page, ``scim:<name>``."""
    actor, at = signed_in(request), clock.now()
    form = PeriodForm(request.POST)
    if not form.is_valid():
        return SeeOther(reverse(f"scim:{name}"))
    since, until = form.period()
    data = export(actor=actor, at=at, since=since, until=until)
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{since:%Y-%m-%d}-{until:%Y-%m-%d}.csv"'
    return response


@require_POST
def set_limit(request: HttpRequest) -> HttpResponse:
    """Set within how many hours a leaver must be out."""
    actor, at = signed_in(request), clock.now()
    form = LimitForm(request.POST)
    if form.is_valid():
        departures.set_hours(actor=actor, at=at, **form.cleaned_data)
        messages.success(request, "The limit was set.")
    else:
        messages.error(request, f"Nothing was set: choose 1 to {departures.HOURS_MAX} hours.")
    return SeeOther(reverse("scim:leavers"))


@require_http_methods(["GET", "POST"])
def departure(request: HttpRequest, person_id: str) -> HttpResponse:
    """When somebody's employment ends or ended."""
    holds, at = open_page(request, Permission.ORG_PEOPLE_MANAGE)
    person = identity.person(person_id)
    form = DepartureForm(request.POST or None, initial={"terminated_at": departures.terminated_at(person_id)})
    status = 200
    back = reverse("access:person", args=[person_id])
    if request.method == "POST" and form.is_valid():
        try:
            departures.set_by_hand(actor=holds.actor, at=at, person_id=person_id, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Noted.")
            return SeeOther(back)
    more = {"title": f"When {person.display} leaves", "act": "Note it", "back": back}
    return form_page(request, "access/form.html", form, status=status, **more)


def _secret(request: HttpRequest, made: tokens.NewDirectoryToken) -> HttpResponse:
    return secret_page(request, "access/token.html", {"made": made, "back": reverse("scim:directory")})


def _about(entry: EntryView) -> list[looks.Person]:
    """The people and groups that an entry names, or whose rows it changed; none where they are many."""
    named = [str(entry.detail.get(name, "")) for name in ("person", "group")]
    if not any(named) and "people" not in entry.detail:
        named = [change.object.partition(":")[2] for change in entry.changes]
    found = [who for id in named if (who := _who(id)) is not None]
    return found if len(found) <= _NAMED else []


def _who(subject: str) -> looks.Person | None:
    return shown([subject])[subject] if subject.startswith(("usr_", "grp_")) else None
