"""Pages of emergency changes: the list, one of them with what can be applied under it, its end and its review."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST, require_safe

from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.changes.domain.requests import OPEN, ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.identity.web import SeeOther, add_errors
from ensign.control.incidents import forms, incident_queries, opening, pages, reading
from ensign.control.incidents.emergency import Emergency
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid, NeedsMfa
from ensign.control.projects.visits import Visit, visit

_SHOWN = 50


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every opening, those that want a review first; and how often it happens."""
    here = visit(request)
    keys = here.held.projects(Permission.INCIDENT_READ)
    found = incident_queries.emergencies(projects=keys)
    found.sort(key=lambda one: one.verdict is not None)
    names = pages.people([one.person for one in found] + [one.reviewed_by or "" for one in found])
    rate = incident_queries.rate(projects=keys, since=here.at - timedelta(days=reading.RATE_DAYS))
    context = {
        "lines": [_line(one, names, here) for one in found],
        "rate": rate,
        "share": f"{rate.share * 100:.1f}",
        "days": reading.RATE_DAYS,
        "tabs": pages.tabs("Emergency changes"),
    }
    return render(request, "incidents/emergencies.html", context)


def _line(one: Emergency, names: dict[str, Any], here: Visit) -> dict[str, Any]:
    return {
        "one": one,
        "by": names[one.person],
        "open": one.open(at=here.at),
        "overdue": one.overdue(at=here.at),
        "look": pages.VERDICT_LOOKS.get(one.verdict or ""),
        "reviewer": names.get(one.reviewed_by or ""),
    }


@require_safe
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """One opening."""
    return _detail(request, visit(request), id)


def _detail(
    request: HttpRequest, here: Visit, id: str, *, review: forms.ReviewForm | None = None, status: int = 200
) -> HttpResponse:
    one = incident_queries.emergency(id)
    here.require(Permission.INCIDENT_READ, one.project)
    is_open, own = one.open(at=here.at), one.person == here.actor.id
    may_review = (
        not is_open
        and one.verdict is None
        and not own
        and here.actor.id not in one.part
        and here.held.allows_some(Permission.BREAK_GLASS_REVIEW, Scope(one.project, one.environment))
    )
    used = {row.pk: ChangeRequest.from_state(row.pk, row.state) for row in Request.objects.filter(pk__in=one.changes)}
    names = pages.people([one.person, one.reviewed_by or "", one.ended_by or ""])
    context = {
        "line": _line(one, names, here),
        "one": one,
        "incident": incident_queries.incident(one.incident).incident,
        "changes": [used[id_] for id_ in one.changes if id_ in used],
        "waiting": _waiting(one, here) if is_open and own else [],
        "own": own,
        "may_end": is_open and (own or here.may(Permission.INCIDENT_MANAGE, one.project)),
        "form": (review or forms.ReviewForm()) if may_review or review else None,
        "tabs": pages.tabs("Emergency changes"),
    }
    return render(request, "incidents/emergency.html", context, status=status)


def _waiting(one: Emergency, here: Visit) -> list[ChangeRequest]:
    """The requests of the place that could be applied now: everybody's that were submitted, and one's own drafts."""
    rows = Request.objects.filter(project=one.project, environment=one.environment, status__in=sorted(OPEN))
    found = [ChangeRequest.from_state(row.pk, row.state) for row in rows.order_by("-pk")[:_SHOWN]]
    return [request for request in found if request.status != "draft" or here.actor.id in request.authors]


@require_POST
def act(request: HttpRequest, id: str) -> HttpResponse:
    """Apply a request, end it, or review it."""
    here = visit(request)
    name, target = request.POST.get("act", ""), reverse("incidents:emergency", kwargs={"id": id})
    if name == "review":
        return _review(request, here, id)
    try:
        if name == "apply":
            done = opening.apply_emergency(
                actor=here.actor, at=here.at, emergency_id=id, request_id=request.POST.get("request", "")
            )
            messages.success(request, f"Applied without approval, as entry {done.seq} of the log says.")
        elif name == "end":
            opening.end(actor=here.actor, at=here.at, emergency_id=id, reason=request.POST.get("reason", ""))
            messages.success(request, "The emergency access has ended.")
        else:
            raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        messages.error(request, f"Nothing was done. {error.message} {error.remedy}".strip())
    return SeeOther(target)


def _review(request: HttpRequest, here: Visit, id: str) -> HttpResponse:
    form = forms.ReviewForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            opening.review(actor=here.actor, at=here.at, emergency_id=id, **form.cleaned_data)
        except (Denied, NeedsMfa):
            raise
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The review is recorded.")
            return SeeOther(reverse("incidents:emergency", kwargs={"id": id}))
    return _detail(request, here, id, review=form, status=status)


def _open_now() -> list[dict[str, Any]]:
    try:
        found = incident_queries.open_now(at=clock.now())
    except DatabaseError:  # the page may be the one that says so
        return []
    names = pages.people(one.person for one in found)
    return [{"one": one, "by": names[one.person]} for one in found]


def broken_glass(request: HttpRequest) -> dict[str, Any]:
    """Adds ``broken_glass``: what is open now, in the projects that the visitor sees; read when a template asks."""

    def mine() -> list[dict[str, Any]]:
        user = getattr(request, "user", None)  # an error page may be made before anybody is known
        if user is None or not user.is_authenticated:
            return []
        found = _open_now()
        if not found:  # as nearly always
            return []
        here = visit(request)
        return [line for line in found if here.sees(line["one"].project)]

    return {"broken_glass": SimpleLazyObject(mine)}
