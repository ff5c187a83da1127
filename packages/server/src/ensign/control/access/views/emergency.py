"""The page about emergency access: its holders, one's own code, its use and review."""

from __future__ import annotations

from datetime import UTC
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from ensign.control.access import emergency
from ensign.control.access.decisions import entitled, held
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, shown, sign_in_tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.emergency import operations, queries
from ensign.control.identity.emergency.domain import HOURS, VERDICTS, SealView, Verdict
from ensign.control.identity.forms import PlainForm
from ensign.control.identity.web import SeeOther, secret_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid


class HoldersForm(PlainForm):
    """Who is to hold it, and for how long it opens."""

    people = forms.MultipleChoiceField(
        label="Holders",
        widget=forms.CheckboxSelectMultiple,
        help_text="Two or more. Any two of them open it together; they are people who may change how people sign in.",
    )
    hours = forms.IntegerField(
        label="Open for (hours)",
        min_value=HOURS[0],
        max_value=HOURS[1],
        initial=2,
        help_text="Then it closes by itself.",
    )
    reason = forms.CharField(label="Reason", required=False, max_length=1000)

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.MultipleChoiceField, self.fields["people"]).choices = choices


class ReviewForm(PlainForm):
    """The verdict on a use."""

    verdict = forms.ChoiceField(label="Verdict", choices=list(VERDICTS.items()))
    reason = forms.CharField(
        label="What it rests on",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Stands in the log.",
    )


def _choices() -> list[tuple[str, str]]:
    at = clock.now()
    able = [
        person
        for person in identity.people(status="active")
        if entitled(person.id, Permission.ORG_SECURITY_MANAGE, ORGANISATION, at=at)
    ]
    return [(person.id, f"{person.display} ({person.email})") for person in able]


@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """How the emergency access stands."""
    actor, at = signed_in(request), clock.now()
    emergency.require_reading(actor, at=at)
    return render(request, "access/emergency.html", _about(request, HoldersForm(choices=_choices())))


def _about(request: HttpRequest, form: HoldersForm) -> dict[str, Any]:
    actor, at = signed_in(request), clock.now()
    seals = queries.seals()
    seal = seals[0] if seals else None
    mine = None if seal is None else seal.holder(actor.id)
    names = shown({one.person for past in seals for one in past.holders} | {past.reviewed_by for past in seals})
    over = seal is not None and seal.status == "unsealed" and not seal.open(at=at)
    return {
        "seal": seal,
        "open": seal is not None and seal.open(at=at),
        "ready": queries.sealed(at),
        "holders": [{"holder": one, "who": names[one.person]} for one in seal.holders] if seal else [],
        "past": [
            {
                "seal": past,
                "by": [names[id] for id in past.unsealed_by],
                "reviewer": names.get(past.reviewed_by),
                "verdict": VERDICTS.get(cast(Verdict, past.verdict), ""),
            }
            for past in seals
            if past.unsealed_at is not None
        ],
        "may_draw": seal is not None and seal.status == "preparing" and mine is not None and mine.drawn_at is None,
        "may_review": over and mine is None,
        "may_close": seal is not None and seal.open(at=at),
        "may_name": held(actor, at=at).allows(Permission.ORG_SECURITY_MANAGE)
        and (seal is None or seal.status != "unsealed"),
        "used_by": [{"who": names[id], "href": _deeds(id, seal)} for id in seal.unsealed_by] if seal and over else [],
        "review": ReviewForm(),
        "form": form,
        "tabs": sign_in_tabs("Emergency access"),
    }


def _deeds(person: str, seal: SealView) -> str:
    """Where the log shows what somebody did on the days of a use."""
    days = {"since": seal.unsealed_at, "until": seal.ends_at}
    given = {name: at.astimezone(UTC).date().isoformat() for name, at in days.items() if at is not None}
    return f"{reverse('evidence:log')}?{urlencode({'actor': person, **given})}"


@require_POST
def holders(request: HttpRequest) -> HttpResponse:
    """Name the holders."""
    holds, at = open_page(request, Permission.ORG_SECURITY_MANAGE)
    actor = holds.actor
    form = HoldersForm(request.POST, choices=_choices())
    if form.is_valid():
        data = form.cleaned_data
        try:
            emergency.name_holders(
                actor=actor, at=at, people=data["people"], hours=data["hours"], reason=data["reason"]
            )
        except (Invalid, Conflict) as error:
            form.add_error(None, " ".join([error.message, *error.fields.values(), error.remedy]))
        else:
            messages.success(request, "Each holder now opens this page and draws their code.")
            return SeeOther(reverse("access:emergency"))
    return render(request, "access/emergency.html", _about(request, form), status=422)


@never_cache
@require_POST
def draw(request: HttpRequest) -> HttpResponse:
    """One's own code, shown once."""
    try:
        code = operations.draw(actor=signed_in(request), at=clock.now())
    except Conflict as error:
        return _sorry(request, error)
    return secret_page(request, "access/emergency_code.html", {"code": code, "tabs": sign_in_tabs("Emergency access")})


@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Close it before its time."""
    try:
        emergency.close(actor=signed_in(request), at=clock.now(), reason=request.POST.get("reason", ""))
    except Conflict as error:
        return _sorry(request, error)
    return SeeOther(reverse("access:emergency"))


@require_POST
def review(request: HttpRequest) -> HttpResponse:
    """Judge a use."""
    verdict, reason = cast(Verdict, request.POST.get("verdict", "")), request.POST.get("reason", "")
    try:
        emergency.review(actor=signed_in(request), at=clock.now(), verdict=verdict, reason=reason)
    except (Conflict, Invalid) as error:
        return _sorry(request, error)
    messages.success(request, "Reviewed. Now seal it anew: name the holders.")
    return SeeOther(reverse("access:emergency"))


def _sorry(request: HttpRequest, error: EnsignError) -> HttpResponse:
    messages.error(request, " ".join([error.message, *error.fields.values(), error.remedy]))
    return SeeOther(reverse("access:emergency"))
