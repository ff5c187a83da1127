"""Pages of change requests: the queue, and one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.access.queries import who_can
from ensign.control.changes import leavers, pages, panels, queries, reach, rights, signing_pages
from ensign.control.changes import operations as door
from ensign.control.changes.domain.requests import OPEN, ChangeRequest, DecisionKind
from ensign.control.changes.loading import owners, reached
from ensign.control.changes.waiting import waits_for_me
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NeedsMfa
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.publishing import reach_pages
from ensign.control.ui import looks

_LIMIT = 50
_SHOWS = {
    "waiting": ("Waits for me", ("in_review", "approved")),
    "mine": ("Mine", None),
    "open": ("Open", tuple(sorted(OPEN - {"draft"}))),
    "all": ("All", None),
}


@require_safe
def queue(request: HttpRequest, project: str = "") -> HttpResponse:
    """Requests: those that wait for me, mine, open ones, all. Filters are in the address."""
    here = visit(request, project=project or None)
    show = request.GET.get("show", "waiting")
    if show not in _SHOWS:
        show = "waiting"
    visible = frozenset({project}) if project else here.held.projects(Permission.PROJECT_READ)
    environment = request.GET.get("environment", "")
    found = queries.requests(
        reader=here.actor.id,
        projects=visible,
        environment=environment or None,
        statuses=_SHOWS[show][1],
        author=here.actor.id if show == "mine" else None,
        before=request.GET.get("before") or None,
        limit=_LIMIT + 1 if show != "waiting" else 500,
    )
    if show == "waiting":
        mine = {request.id for request in waits_for_me(here.actor, at=here.at, rights=here.held)}
        found = [row for row in found if row.request.id in mine]
    more = len(found) > _LIMIT
    rows = found[:_LIMIT]
    base = reverse("changes:list", kwargs={"project": project}) if project else reverse("changes:queue")

    def link(**changes: str) -> str:
        query = {"show": show, **({"environment": environment} if environment else {}), **changes}
        return f"{base}?{urlencode({k: v for k, v in query.items() if v})}"

    context = {
        "lines": pages.lines(rows),
        "show": show,
        "choices": [
            looks.Choice(label=label, href=link(show=key, environment=environment), current=key == show)
            for key, (label, _) in _SHOWS.items()
        ],
        "environments": _environments(project, environment, link),
        "pager": looks.Pager(
            shown=len(rows), noun="requests", older=link(before=rows[-1].request.id) if more else "", newer=""
        ),
        "project": projects.project(project) if project else None,
    }
    return render(request, "changes/queue.html", context)


def _environments(project: str, current: str, link: Any) -> list[looks.Choice]:
    if not project:
        return []
    rows = projects.environments(project)
    return [
        looks.Choice(label="All", href=link(environment=""), current=not current),
        *(looks.Choice(label=e.name, href=link(environment=e.key), current=e.key == current) for e in rows),
    ]


def _read(request: HttpRequest, id: str) -> tuple[Visit, queries.RequestRow]:
    """The request to somebody who may see it: its project too."""
    here = visit(request)
    row = queries.request(id, reader=here.actor.id)
    here.require(Permission.PROJECT_READ, row.request.project)
    return here, row


@require_safe
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """One request: sentence, difference, checks, people, what may be done with it."""
    return _detail(request, id)


def _detail(request: HttpRequest, id: str, *, error: EnsignError | None = None, typed: str = "") -> HttpResponse:
    here, row = _read(request, id)
    value = row.request
    if value.status == "draft":
        return redirect("changes:draft", project=value.project, environment=value.environment)
    standing = queries.standing(value, reader=here.actor, at=here.at) if value.open else None
    keys = reached(project=value.project, environment=value.environment, operations=value.operations)
    may = {
        "draft": rights.may_edit(here.held, value),
        "apply": rights.may_apply(here.held, project=value.project, environments=keys, operations=value.operations),
        "stop": rights.may_stop(here.held, value, environments=keys),
    }
    said = queries.comments(value.id)
    steps = queries.steps(row)
    names = pages.people(value, said, steps)
    project = projects.project(value.project)
    conflicted = standing is not None and bool(standing.moved)
    context = {
        "request_row": row,
        "change": value,
        "status": "conflicted" if conflicted else value.status,
        "project": project,
        "environment": pages.place_of(value),
        "steps": project_pages.crumbs(
            project, ("Requests", reverse("changes:list", kwargs={"project": value.project})), (value.title, "")
        ),
        "difference": pages.difference(queries.effect(value)),
        "checks": [] if standing is None else pages.checks(value, standing, names, at=here.at),
        "conflict": None if standing is None or standing.conflict is None else pages.conflict(standing.conflict),
        "acts": pages.acts(value, standing, reader=here.actor, may=may),
        "timeline": pages.timeline(value, said, steps, names),
        "author": pages.person(value.author, names),
        "left": value.open and value.authors <= leavers.left_among(set(value.authors)),
        "contributors": [pages.person(c, names) for c in value.contributors],
        "behind": [pages.person(c, names) for c in value.behind],
        "given": pages.given(value, standing, steps, names),
        "applied_by": None if value.applied_by is None else pages.person(value.applied_by, names),
        "approvers": [] if standing is None else _approvers(value, standing, here),
        "needed": 0 if standing is None else standing.policy.required,
        "signing": None
        if standing is None
        else signing_pages.of_reader(here.actor.id, demanded=standing.policy.demand.signed),
        "signatures": [(pages.person(one.person, names), one) for one in signing_pages.signed(value)],
        "error": error,
        "typed": typed,
        "reach": reach_pages.of_views(reach.of_request(row, at=here.at), at=here.at),
        "panels": panels.panels(row, at=here.at),
    }
    status = 200 if error is None else 409 if isinstance(error, Conflict) else 422
    return render(request, "changes/detail.html", context, status=status)


def _approvers(value: ChangeRequest, standing: queries.Standing, here: Visit) -> list[str]:
    """Names of up to eight people who may approve this: entitled everywhere, and barred by no part in it."""
    found: set[str] | None = None
    flags = rights.flags_of(value.operations)
    stored = rights.stored_facts(flags)
    facts = {stored.get(key) for key in flags}
    for scope in rights.apply_scopes(project=value.project, environments=standing.policy.environments, facts=facts):
        able = {h.subject for h in who_can(Permission.CHANGE_APPROVE, scope, at=here.at) if h.kind == "person"}
        found = able if found is None else found & able
    ids = sorted((found or set()) - value.barred - owners(value))[:8]
    return sorted(identity.names(ids).values())


@require_POST
def decide(request: HttpRequest, id: str) -> HttpResponse:
    """Approve, send back or reject, by the button that was pressed."""
    here, row = _read(request, id)
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
        return _detail(request, id, error=error, typed=text)
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
    """Comment, submit, withdraw, apply, revert, bring up to date: by the button that was pressed."""
    here, row = _read(request, id)
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
            case "rebase":
                door.edit(rebase=True, **who)
                messages.success(request, "Brought up to date. It is reviewed anew.")
            case "revert":
                target = door.revert(reason=request.POST.get("reason", ""), wish="apply", **who).request.id
            case _:
                raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        return _detail(request, id, error=error, typed=typed)
    return redirect("changes:detail", id=target)
