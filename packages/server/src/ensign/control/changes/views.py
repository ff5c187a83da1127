"""The page of one change request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes import (
    asking,
    estimating,
    leavers,
    opened,
    pages,
    panels,
    queries,
    reach,
    review_pages,
    rights,
    rounds,
    signing_pages,
    tickets,
)
from ensign.control.changes import operations as door
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.requests import ChangeRequest, DecisionKind
from ensign.control.changes.loading import reached
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NeedsMfa
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.publishing import reach_pages


def read(request: HttpRequest, id: str) -> tuple[Visit, queries.RequestRow]:
    """The request, to somebody who may see its project."""
    here = visit(request)
    row = queries.request(id, reader=here.actor.id)
    here.require(Permission.PROJECT_READ, row.request.project)
    return here, row


@require_safe
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """One request: sentence, difference, checks, people, what may be done with it. ``?round=2``: as it was then."""
    number = request.GET.get("round", "")
    return show(request, id, at_round=int(number) if number.isascii() and number.isdigit() else None)


def show(
    request: HttpRequest,
    id: str,
    *,
    at_round: int | None = None,
    error: EnsignError | None = None,
    typed: str = "",
    about: str = "",
) -> HttpResponse:
    """The page of a request; with an ``error`` as the answer to a form, keeping what was ``typed`` (``about``: the line
    or thread that it was typed about)."""
    here, row = read(request, id)
    value = row.request
    if value.status == "draft":
        return redirect("changes:draft", project=value.project, environment=value.environment)
    opened.tell(here.actor, value, here.at)
    standing = queries.standing(value, reader=here.actor, at=here.at) if value.open else None
    keys = reached(project=value.project, environment=value.environment, operations=value.operations)
    may = {
        "draft": rights.may_edit(here.held, value),
        "apply": rights.may_apply(here.held, project=value.project, environments=keys, operations=value.operations),
        "stop": rights.may_stop(here.held, value, environments=keys),
    }
    number = value.round if at_round is None else at_round
    context = {
        **_change(here, row, standing, may),
        **_review(here, row, standing, number),
        "error": error,
        "typed": typed,
        "about": about,
    }
    status = 200 if error is None else 409 if isinstance(error, Conflict) else 422
    return render(request, "changes/detail.html", context, status=status)


def _change(
    here: Visit, row: queries.RequestRow, standing: queries.Standing | None, may: Mapping[str, bool]
) -> dict[str, Any]:
    """What the page says of the request as it is: its state, its people, what may be done with it."""
    value, project = row.request, projects.project(row.request.project)
    said, steps = queries.comments(value.id), queries.steps(row)
    names = pages.people(value, said, steps)
    back = ("Requests", reverse("changes:list", kwargs={"project": value.project}))
    return {
        "request_row": row,
        "change": value,
        "tickets": tickets.linked(value.project, value.tickets),
        "status": "conflicted" if standing is not None and standing.moved else value.status,
        "project": project,
        "environment": pages.place_of(value),
        "steps": project_pages.crumbs(project, back, (value.title, "")),
        "ends": pages.until(value.expires_at, now=here.at) if value.open and value.expires_at else "",
        "conflict": None if standing is None or standing.conflict is None else pages.conflict(standing.conflict),
        "acts": pages.acts(value, standing, reader=here.actor, may=may),
        "timeline": pages.timeline(value, said, steps, names),
        "author": pages.person(value.author, names),
        "left": value.open and value.authors <= leavers.left_among(set(value.authors)),
        "contributors": [pages.person(c, names) for c in value.contributors],
        "behind": [pages.person(c, names) for c in value.behind],
        "given": pages.given(value, standing, steps, names),
        "applied_by": None if value.applied_by is None else pages.person(value.applied_by, names),
        "needed": 0 if standing is None else standing.policy.required,
        "signing": None
        if standing is None
        else signing_pages.of_reader(here.actor.id, demanded=standing.policy.demand.signed),
        "signatures": [(pages.person(one.person, names), one) for one in signing_pages.signed(value)],
        "steers": panels.steers(value, here.held, at=here.at),
        "reach": reach_pages.of_views(reach.of_request(row, at=here.at), at=here.at),
        "panels": panels.panels(row, at=here.at),
    }


def _review(here: Visit, row: queries.RequestRow, standing: queries.Standing | None, number: int) -> dict[str, Any]:
    """What the page shows of the round ``number``, and of the review: lines, threads, reviewers, checks."""
    value = row.request
    shown = value if number == value.round else rounds.round_of(row, number).request
    past = shown.round != value.round
    said = queries.comments(value.id)
    names = pages.people(value, said, queries.steps(row))
    effect, talk = queries.effect(shown), review_pages.threads(shown, said, names)
    candidates = asking.candidates(value, at=here.at, policy=standing.policy) if standing is not None else []
    return {
        "difference": pages.difference(effect),
        "groups": review_pages.groups(effect.rows, talk),
        "adrift": review_pages.adrift(effect.rows, talk),
        "open_threads": sum(thread.resolved_by is None for thread in talk),
        "past": past,
        "shown_round": shown.round,
        "rounds": review_pages.round_links(rounds.rounds(row), shown=shown.round),
        "may_talk": not past and here.may(Permission.CHANGE_COMMENT, value.project),
        "estimates": [] if past else _estimates(value, at=here.at),
        "asked": review_pages.asked(value, candidates, names),
        "candidates": [c for c in candidates if c.why or c.id in value.reviewers],
        "others": [c for c in candidates if not c.why and c.id not in value.reviewers],
        "approvers": [c.name for c in candidates if c.entitled and not c.group][:8],
        "checks": [] if standing is None or past else pages.checks(value, standing, names, at=here.at),
    }


def _estimates(value: ChangeRequest, *, at: datetime) -> Sequence[estimating.Estimate]:
    """Whom it affects, as far as can be said; of what applied long ago nothing is reckoned."""
    if not value.open:
        return ()
    before = queries.world_of(value)
    after = algebra.apply_all(before, value.operations)
    return estimating.estimates(before=before, after=after, operations=value.operations, at=at)


@require_POST
def decide(request: HttpRequest, id: str) -> HttpResponse:
    """Approve, send back or reject, by the button that was pressed."""
    here, row = read(request, id)
    text = request.POST.get("comment", "")
    kinds: Mapping[str, DecisionKind] = {
        "approve": "approve", "request_changes": "request_changes", "reject": "reject",
    }  # fmt: skip
    decision = kinds.get(request.POST.get("decision", ""))
    if decision is None:
        raise Invalid("No decision was made.", remedy="Press one of the buttons.")
    try:
        done = door.review_and_apply(
            actor=here.actor, at=here.at, request_id=id, decision=decision,
            digest=request.POST.get("digest", ""), text=text, answer=request.POST.get("answer", ""),
        )  # fmt: skip
    except NeedsMfa as error:
        messages.warning(request, f"{error.message} {error.remedy}")
        back = urlencode({"next": reverse("changes:detail", kwargs={"id": id})})
        return redirect(f"{reverse('identity:confirm')}?{back}")
    except (Conflict, Invalid) as error:
        return show(request, id, error=error, typed=text)
    if done.applied is not None:
        messages.success(request, "Approved, and applied with this approval.")
    elif done.not_applied:
        messages.warning(request, f"Approved, but it could not apply: {done.not_applied}")
    else:
        words = {"approve": "Approved.", "request_changes": "Sent back.", "reject": "Rejected."}
        messages.success(request, words[decision])
    return redirect("changes:detail", id=row.request.id)


@require_POST
def act(request: HttpRequest, id: str) -> HttpResponse:
    """Comment, submit, withdraw, apply, revert: by the button that was pressed."""
    here, row = read(request, id)
    pressed, typed = request.POST.get("act", ""), request.POST.get("comment", "")
    who: dict[str, Any] = {"actor": here.actor, "at": here.at, "request_id": id}
    target = row.request.id
    try:
        match pressed:
            case "comment":
                door.comment(text=typed, **who)
            case "submit":
                door.submit(**who)
                messages.success(request, "Submitted for review.")
            case "withdraw":
                door.withdraw(**who)
                messages.success(request, "Withdrawn.")
            case "apply":
                door.apply(**who)
                messages.success(request, "Applied.")
            case "revert":
                target = door.revert(reason=request.POST.get("reason", ""), wish="apply", **who).request.id
            case _:
                raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        return show(request, id, error=error, typed=typed)
    return redirect("changes:detail", id=target)
