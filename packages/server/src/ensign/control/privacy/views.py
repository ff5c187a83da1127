"""Pages: the data map, erasing somebody, what is held on somebody."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, shown, tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.views.account import tabs as account_tabs
from ensign.control.identity.web import SeeOther, add_errors, form_page, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.privacy import erasure, holding, queries
from ensign.control.privacy.forms import AskForm, RulesForm
from ensign.control.privacy.lines import SECTIONS
from ensign.control.privacy.outside import OUTSIDE


@require_GET
def data_map(request: HttpRequest) -> HttpResponse:
    """What is stored where. It names nobody, so everybody who is signed in may see it."""
    return _map(request, RulesForm(initial={"keep_months": queries.keep_months()}))


def _map(request: HttpRequest, form: RulesForm, *, status: int = 200) -> HttpResponse:
    actor, at = signed_in(request), clock.now()
    holds = held(actor, at=at)
    may_erase = holds.allows(Permission.ORG_PRIVACY_ERASE)
    listed = queries.erasures() if may_erase else ()
    people = shown([e.person for e in listed] + [e.asked_by for e in listed] + [e.ended_by or "" for e in listed])
    context = {
        "sections": SECTIONS,
        "outside": OUTSIDE,
        "keep_months": queries.keep_months(),
        "may_erase": may_erase,
        "may_set": holds.allows(Permission.ORG_SETTINGS_MANAGE),
        "erasures": [
            {
                "erasure": one,
                "person": people[one.person],
                "asked_by": people[one.asked_by],
                "ended_by": people.get(one.ended_by or ""),
                "open": one.open(at=at),
            }
            for one in listed
        ],
    }
    return form_page(request, "privacy/map.html", form, status=status, **context)


@require_POST
def rules(request: HttpRequest) -> HttpResponse:
    """How long identities are kept."""
    form, status = RulesForm(request.POST), 422
    if form.is_valid():
        try:
            months = erasure.set_rules(actor=signed_in(request), at=clock.now(), **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, f"Identities of people who left are kept for {months} months.")
            return SeeOther(reverse("privacy:map"))
    return _map(request, form, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, person_id: str) -> HttpResponse:
    """Erasing somebody: whether it is possible, what it does, asking for it."""
    holds, at = open_page(request, Permission.ORG_PRIVACY_ERASE)
    who = identity.person(person_id)
    form, status = AskForm(request.POST or None), 200
    if request.method == "POST" and form.is_valid():
        try:
            erasure.ask(actor=holds.actor, at=at, person_id=person_id, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Asked. Now somebody else confirms it, within two weeks.")
            return SeeOther(reverse("privacy:person", args=[person_id]))
    listed = queries.erasures(person=person_id)
    people = shown([e.asked_by for e in listed] + [e.ended_by or "" for e in listed])
    until = queries.kept_until(person_id)
    waiting = next((one for one in listed if one.open(at=at)), None)
    context = {
        "person": who,
        "kept_until": until,
        "early": until is None or at < until,
        "keep_months": queries.keep_months(),
        "waiting": waiting,
        "asked_by": people[waiting.asked_by] if waiting else None,
        "mine": waiting is not None and waiting.asked_by == holds.actor.id,
        "done": next((one for one in listed if one.status == "done"), None),
        "itself": person_id == holds.actor.id,
        "tabs": tabs("People"),
    }
    return form_page(request, "privacy/person.html", form, status=status, **context)


@require_POST
def confirm(request: HttpRequest, erasure_id: str) -> HttpResponse:
    """Erase them."""
    done = erasure.confirm(actor=signed_in(request), at=clock.now(), erasure_id=erasure_id)
    messages.success(request, f"{identity.name(done.person)} is erased.")
    return SeeOther(reverse("privacy:person", args=[done.person]))


@require_POST
def withdraw(request: HttpRequest, erasure_id: str) -> HttpResponse:
    """Take an erasure back before it is confirmed."""
    taken_back = erasure.withdraw(actor=signed_in(request), at=clock.now(), erasure_id=erasure_id)
    messages.success(request, "The erasure is withdrawn.")
    return SeeOther(reverse("privacy:person", args=[taken_back.person]))


@never_cache
@require_POST
def held_on(request: HttpRequest, person_id: str) -> HttpResponse:
    """Everything that is held on somebody else: a page, or a file with ``format=json``."""
    made = holding.export(actor=signed_in(request), at=clock.now(), person_id=person_id)
    if request.POST.get("format") == "json":
        return _file(made)
    return _page(
        request,
        made,
        title=f"What is held on {identity.name(person_id)}",
        tabs=tabs("People"),
        rooms="People and access",
    )


@never_cache
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """Everything that is held on oneself: a page, or a file with ``format=json``."""
    made = holding.dossier(signed_in(request).id, at=clock.now())
    if request.GET.get("format") == "json":
        return _file(made)
    return _page(
        request,
        made,
        title="What Ensign holds on you",
        tabs=account_tabs("What is held"),
        rooms="Parts of your account",
        own=True,
    )


def _file(made: holding.Dossier) -> HttpResponse:
    text = json.dumps(holding.as_json(made), ensure_ascii=False, indent=2)
    response = HttpResponse(text, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="ensign-{made.person}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _text(value: Any) -> str:
    """A value as it is read on the page."""
    if value is None or value == "":
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _page(request: HttpRequest, made: holding.Dossier, **more: Any) -> HttpResponse:
    rows = [
        {
            "what": part.what if kind == "about" else f"By them: {part.what}",
            "id": f"{kind}-{part.table}",
            "rows": [
                (str(row.get("id") or f"row {n}"), [(key, _text(value)) for key, value in row.items()])
                for n, row in enumerate(part.rows, 1)
            ],
        }
        for kind, held_parts in (("about", made.about), ("by", made.by))
        for part in held_parts
    ]
    context = {"made": made, "parts": rows, "entries": made.entries[:200], "count": len(made.entries), **more}
    if more.get("own"):
        return render(request, "privacy/held.html", context)
    return secret_page(request, "privacy/held.html", context)
