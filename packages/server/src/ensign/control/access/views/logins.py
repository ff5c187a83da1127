"""The history of sign-ins; where a person is signed in; who is held up after wrong tries."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from ensign.control.access import logins, signed_in
from ensign.control.access.decisions import held
from ensign.control.access.forms import ReasonForm
from ensign.control.access.permissions import Permission
from ensign.control.access.sign_in_forms import LoginFilter
from ensign.control.access.views.common import open_page, shown, sign_in_tabs, tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.actions import SIGN_IN_FAILURES
from ensign.control.identity.agents import device
from ensign.control.identity.views.account import tabs as account_tabs
from ensign.control.identity.ways import in_words
from ensign.control.identity.web import SeeOther
from ensign.control.identity.web import signed_in as who_asks
from ensign.control.kernel import clock
from ensign.control.ui import looks

_TONES = {"signed-in": "good", "refused": "warn", "blocked": "bad"}


@never_cache
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Everybody's sign-ins."""
    open_page(request, Permission.ORG_LEDGER_READ)
    people = [(person.id, person.display) for person in identity.people()]
    form = LoginFilter(request.GET, people=people)
    more = {"form": form, "tabs": sign_in_tabs("Who signed in")}
    return _history(request, form, _filters(form), "access/logins.html", more)


@never_cache
@require_GET
def own(request: HttpRequest) -> HttpResponse:
    """One's own sign-ins."""
    actor = who_asks(request)
    form = LoginFilter(request.GET, people=())
    filters = logins.Filters(person=actor.id)
    return _history(request, form, filters, "access/own_logins.html", {"tabs": account_tabs("Sign-ins")})


def _filters(form: LoginFilter) -> logins.Filters:
    """What the form asks for; a field that cannot be read narrows nothing."""
    form.is_valid()
    data = form.cleaned_data
    since, until = data.get("since"), data.get("until")
    return logins.Filters(
        person=data.get("person") or "",
        outcome=data.get("outcome") or "",
        since=None if since is None else datetime.combine(since, time(), UTC),
        until=None if until is None else datetime.combine(until + timedelta(days=1), time(), UTC),
    )


def _history(
    request: HttpRequest, form: LoginFilter, filters: logins.Filters, template: str, more: dict[str, Any]
) -> HttpResponse:
    at, before = clock.now(), request.GET.get("before", "")
    position = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    found = logins.logins(who_asks(request), filters, at=at, before=position)
    given = {name: text for name in form.fields if (text := request.GET.get(name, ""))}
    older = "" if found.next_before is None else "?" + urlencode({**given, "before": found.next_before})
    people = shown(row.person for row in found.items if row.person)
    context = {
        **more,
        "rows": [
            {
                "login": row,
                "who": people.get(row.person),
                "title": logins.TITLES[row.outcome],
                "tone": _TONES.get(row.outcome, "calm"),
                "way": _how(row),
                "device": device(row.agent),
            }
            for row in found.items
        ],
        "pager": looks.Pager(
            shown=len(found.items),
            noun="sign-ins",
            newer="?" + urlencode(given) if position is not None else "",
            older=older,
        ),
        "given": given,
    }
    return render(request, template, context)


def _how(row: logins.Login) -> str:
    """How it was done or why it was refused or ended, in words, with the provider that it concerns."""
    if row.action == SIGN_IN_FAILURES.code:
        return "more of them within a minute, summed up"
    said = in_words(row.way)
    if row.provider:
        said = row.provider if row.way in {"provider", "oidc", "saml"} else f"{said} ({row.provider})"
    return f"{said}: {row.why.replace('_', ' ')}" if row.why else said


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """The whole history that matches the filters, as a file."""
    actor = who_asks(request)
    form = LoginFilter(request.POST, people=[(person.id, person.display) for person in identity.people()])
    kind = "json" if request.POST.get("format") == "json" else "csv"
    text = logins.export(actor=actor, at=clock.now(), filters=_filters(form), form=kind)
    headers = {"Content-Disposition": f'attachment; filename="ensign-sign-ins.{kind}"'}
    media = "application/json" if kind == "json" else "text/csv; charset=utf-8"
    return HttpResponse(text, content_type=media, headers=headers)


@never_cache
@require_GET
def person(request: HttpRequest, person_id: str) -> HttpResponse:
    """Where somebody is signed in, and whether they are held up."""
    actor, at = who_asks(request), clock.now()
    rows = signed_in.sessions_of(actor, person_id, at=at)
    may_manage = held(actor, at=at).allows(Permission.ORG_PEOPLE_MANAGE)
    blocked = signed_in.blocked(actor, at=at) if may_manage else ()
    context = {
        "person": identity.person(person_id),
        "itself": person_id == actor.id,
        "sessions": rows,
        "blocked": next((one for one in blocked if one.person.id == person_id), None),
        "may_manage": may_manage,
        "form": ReasonForm(),
        "tabs": tabs("People"),
    }
    return render(request, "access/person_sessions.html", context)


@require_POST
def end_sessions(request: HttpRequest, person_id: str) -> HttpResponse:
    """End all sessions of somebody."""
    ended = signed_in.end_sessions_of(
        actor=who_asks(request), at=clock.now(), person_id=person_id, reason=request.POST.get("reason", "")
    )
    messages.success(request, f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.")
    return SeeOther(reverse("access:person-sessions", args=[person_id]))


@require_POST
def unblock(request: HttpRequest, person_id: str) -> HttpResponse:
    """Let somebody try again."""
    signed_in.unblock(
        actor=who_asks(request), at=clock.now(), person_id=person_id, reason=request.POST.get("reason", "")
    )
    messages.success(request, "The pause is lifted; they can try again.")
    return SeeOther(reverse("access:person-sessions", args=[person_id]))
