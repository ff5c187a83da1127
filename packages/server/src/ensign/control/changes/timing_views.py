"""The time at which a request applies by itself, on the request's page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ensign.control.access.decisions import Held
from ensign.control.access.permissions import Permission
from ensign.control.changes import operations as door
from ensign.control.changes import pages
from ensign.control.changes.domain import scheduling
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.loading import policy_for, reached
from ensign.control.changes.panels import Panel
from ensign.control.changes.rights import apply_scopes, seen_by
from ensign.control.changes.views import read, show
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects.demands import frozen_until

_FORMAT = "%Y-%m-%dT%H:%M"


def panel(request: ChangeRequest, rights: Held, at: datetime) -> Sequence[Panel]:
    """The time that is set and why it failed; a form for who may set one; nothing where neither is so."""
    if request.status not in {"in_review", "approved", "scheduled"}:
        return ()
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    facts = seen_by(rights, request.operations)
    scopes = apply_scopes(project=request.project, environments=keys, facts=facts)
    may = all(rights.allows(Permission.CHANGE_SCHEDULE, scope) for scope in scopes)
    applies = may and all(rights.allows(Permission.CHANGE_APPLY, scope) for scope in scopes)
    part = rights.actor.id in request.authors or any(rights.actor.id == a.person for a in request.approvals)
    timed = request.schedule
    if timed is None and not (applies and part):
        return ()
    policy = policy_for(request, at=at)
    lapsing = scheduling.lapsing(request, policy=policy, at=at)
    frozen = scheduling.frozen(request, policy=policy)
    names = identity.names([given.person for given in lapsing] + ([timed.by] if timed else []))
    shown = {
        "request": request,
        "timed": timed,
        "pending": scheduling.pending(request),
        "by": None if timed is None else pages.person(timed.by, names),
        "lapsing": [names[given.person] for given in lapsing],
        "frozen": frozen,
        "frozen_until": None if frozen is None or timed is None else frozen_until(policy.freezes, timed.at),
        "sets": applies and part,
        "takes_back": may and timed is not None,
        "least": at.strftime(_FORMAT),
        "most": (at + scheduling.MOST_AHEAD).strftime(_FORMAT),
        "value": "" if timed is None else timed.at.strftime(_FORMAT),
    }
    return (Panel(template="changes/_schedule.html", value=shown),)


def _when(text: str) -> datetime:
    """What a date and time field sends, in UTC.

    :raises Invalid: when it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("This is no date and time.", fields={"at": "Write it like 2026-12-01 06:30, in UTC."}) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@require_POST
def schedule(request: HttpRequest, id: str) -> HttpResponse:
    """Set the time or take it back, by the button that was pressed."""
    here, _ = read(request, id)
    typed = request.POST.get("when", "")
    try:
        if request.POST.get("act") == "cancel":
            door.unschedule(actor=here.actor, at=here.at, request_id=id)
            messages.success(request, "It has no time any more and waits for somebody to apply it.")
        else:
            done = door.schedule(actor=here.actor, at=here.at, request_id=id, when=_when(typed))
            assert done.request.schedule is not None
            messages.success(request, f"It applies at {done.request.schedule.at:%Y-%m-%d %H:%M} UTC.")
    except (Conflict, Invalid) as error:
        return show(request, id, error=error, typed=typed, about="schedule")
    return redirect("changes:detail", id=id)
