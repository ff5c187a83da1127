"""Pages about requests for access, exceptions from segregation of duties, and what is to be put right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import exceptions, findings, request_queries, requests, segregation, two_people
from ensign.control.access.asked import ExceptionView, RequestView, RoleAsked
from ensign.control.access.catalogue import definitions, roles
from ensign.control.access.decisions import Held, denied, held
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.duties import PAIRS
from ensign.control.access.duty_forms import AnswerForm, AskForm, ExceptionForm
from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, people_choices, shown, tabs, where
from ensign.control.identity.web import SeeOther, add_errors, form_page, next_address, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError, NotFound
from ensign.control.ui.looks import Choice, Person

#: Status of a request -> word, tone, icon.
_LOOKS: Mapping[str, tuple[str, str, str]] = {
    "open": ("Waits", "info", "waiting"),
    "granted": ("Granted", "good", "on"),
    "refused": ("Refused", "bad", "blocked"),
    "withdrawn": ("Withdrawn", "calm", "withdrawn"),
    "expired": ("Expired", "calm", "off"),
    "proposed": ("Proposed", "info", "waiting"),
    "approved": ("In force", "warn", "warning"),
    "over": ("Over", "calm", "off"),
    "ended": ("Ended", "calm", "off"),
}
_KINDS = {
    "own": "asked for by themselves",
    "grant": "given by one, waiting for a second",
    "membership": "joins a group that holds it",
    "extension": "a later end of a role",
}
_RECENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """A role asked for, in words."""

    name: str
    where: str
    flags: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request as pages show it."""

    request: RequestView
    who: Person
    by: Person
    group: Person | None
    approvals: tuple[Person, ...]
    decided_by: Person | None
    reviewed_by: Person | None
    roles: tuple[RoleRow, ...]
    kind: str
    lasts: str
    look: tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRow:
    """An exception as pages show it."""

    exception: ExceptionView
    who: Person
    by: Person
    approved_by: Person | None
    pairs: tuple[str, ...]
    where: str
    look: tuple[str, str, str]


def rooms(current: str) -> tuple[Choice, ...]:
    """What is to be put right, and what is excepted from it."""
    listed = (("Findings", "access:findings"), ("Exceptions", "access:exceptions"))
    return tuple(Choice(label=label, href=reverse(name), current=label == current) for label, name in listed)


# --- Requests ---------------------------------------------------------------------------------------


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """What waits for the reader, what they asked for, and, for who may see it, all others'."""
    holds = _holds(request)
    waiting = request_queries.waits_for(holds)
    reviews = [one for one in request_queries.requests(status="granted") if request_queries.reviewable(one, holds)]
    found = [one for one in request_queries.requests() if request_queries.readable(one, holds) and one not in waiting]
    mine = [one for one in found if one.requested_by == holds.actor.id]
    context = {
        "waiting": request_rows(waiting),
        "reviews": request_rows(reviews),
        "mine": request_rows(mine[:_RECENT]),
        "rest": request_rows([one for one in found if one not in mine][:_RECENT]),
        "tabs": _tabs(holds, "Requests"),
    }
    return render(request, "access/requests.html", context)


@require_GET
def detail(request: HttpRequest, request_id: str) -> HttpResponse:
    """One request: what it asks for, how far it came, and the answers that are the reader's to give."""
    holds = _holds(request)
    found = request_queries.request(request_id)
    if not request_queries.readable(found, holds):
        raise NotFound("There is no such request.", remedy="See Requests for access.")
    context = {
        "row": request_rows([found])[0],
        "members": shown(two_people.gets_it(found.subject)).values() if found.subject.startswith("grp_") else (),
        "may_answer": request_queries.answerable(found, holds),
        "may_review": request_queries.reviewable(found, holds),
        "may_withdraw": found.open(at=holds.at) and found.requested_by == holds.actor.id,
        "form": AnswerForm(),
        "tabs": _tabs(holds, "Requests"),
    }
    return render(request, "access/request.html", context)


@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a role for oneself, for a while."""
    holds = _holds(request)
    form = AskForm(request.POST or None, roles=roles())
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            asked = requests.ask(
                actor=holds.actor,
                at=holds.at,
                role=data["role"],
                scope=form.scope(),
                lasts=form.lasts(),
                reason=data["reason"],
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Asked. It waits for somebody who may give the role.")
            return SeeOther(reverse("access:request", args=[asked.id]))
    more = {
        "title": "Ask for a role",
        "lead": "For yourself, for a while. Somebody who may give it answers; it ends by itself.",
        "act": "Ask for the role",
        "back": reverse("access:requests"),
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def approve(request: HttpRequest, request_id: str) -> HttpResponse:
    """Approve a request."""
    done = _act(request, lambda actor, at, reason: requests.approve(
        actor=actor, at=at, request_id=request_id, reason=reason))  # fmt: skip
    granted = done.status == "granted"
    messages.success(request, "Approved; it counts from now on." if granted else "Approved; it waits for one more.")
    return SeeOther(next_address(request, default=reverse("access:request", args=[request_id])))


@require_POST
def refuse(request: HttpRequest, request_id: str) -> HttpResponse:
    """Refuse a request."""
    _act(request, lambda actor, at, reason: requests.refuse(
        actor=actor, at=at, request_id=request_id, reason=reason))  # fmt: skip
    messages.success(request, "Refused.")
    return SeeOther(reverse("access:request", args=[request_id]))


@require_POST
def withdraw(request: HttpRequest, request_id: str) -> HttpResponse:
    """Take back one's own."""
    requests.withdraw(actor=signed_in(request), at=clock.now(), request_id=request_id)
    messages.success(request, "Withdrawn.")
    return SeeOther(reverse("access:request", args=[request_id]))


@require_POST
def review(request: HttpRequest, request_id: str) -> HttpResponse:
    """Review what one person gave alone."""
    _act(request, lambda actor, at, reason: requests.review(
        actor=actor, at=at, request_id=request_id, reason=reason))  # fmt: skip
    messages.success(request, "Reviewed.")
    return SeeOther(reverse("access:request", args=[request_id]))


# --- Exceptions -------------------------------------------------------------------------------------


@require_GET
def exception_list(request: HttpRequest) -> HttpResponse:
    """All exceptions, and the pairs that they are from."""
    holds, at = open_page(request, Permission.ORG_READ)
    context = {
        "rows": exception_rows(segregation.exceptions(), at=at),
        "pairs": PAIRS.values(),
        "may_propose": exceptions.gives_anywhere(holds),
        "tabs": tabs("To put right"),
        "rooms": rooms("Exceptions"),
    }
    return render(request, "access/exceptions.html", context)


@require_GET
def exception_detail(request: HttpRequest, exception_id: str) -> HttpResponse:
    """One exception, and the answers that are the reader's to give."""
    holds, at = open_page(request, Permission.ORG_READ)
    found = exceptions.exception(exception_id)
    own = found.requested_by == holds.actor.id and found.status == "proposed"
    context = {
        "row": exception_rows([found], at=at)[0],
        "may_answer": exceptions.answerable(found, holds),
        "may_withdraw": own,
        "may_end": found.in_force(at=at) and (exceptions.gives(holds, found.scope) or found.subject == holds.actor.id),
        "form": AnswerForm(),
        "tabs": tabs("To put right"),
        "rooms": rooms("Exceptions"),
    }
    return render(request, "access/exception.html", context)


@require_http_methods(["GET", "POST"])
def exception_new(request: HttpRequest) -> HttpResponse:
    """Propose an exception."""
    holds, at = open_page(request)
    if not exceptions.gives_anywhere(holds):
        raise denied(holds.decide(Permission.ORG_ACCESS_GRANT), Permission.ORG_ACCESS_GRANT, ORGANISATION)
    initial = {"subject": request.GET.get("subject", ""), "pairs": request.GET.getlist("pair")}
    form = ExceptionForm(request.POST or None, subjects=people_choices(), initial=initial)
    status = 200
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = exceptions.propose(
                actor=holds.actor,
                at=at,
                subject=data["subject"],
                pairs=data["pairs"],
                scope=form.scope(),
                reason=data["reason"],
                control=data["control"],
                expires_at=form.expires_at(),
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Proposed. It counts once a second person has approved it.")
            return SeeOther(reverse("access:exception", args=[made.id]))
    more = {
        "title": "Propose an exception",
        "lead": "That somebody may hold what is kept apart, for a while, with something else in its place.",
        "act": "Propose it",
        "back": reverse("access:exceptions"),
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@require_POST
def exception_answer(request: HttpRequest, exception_id: str, answer: str) -> HttpResponse:
    """Approve, refuse or end an exception."""
    acts: dict[str, Callable[..., ExceptionView]] = {
        "approve": exceptions.approve,
        "refuse": exceptions.refuse,
        "end": exceptions.end,
    }
    actor = signed_in(request)
    if answer not in acts:
        raise NotFound("There is no such answer.")
    said = request.POST.get("reason", "")
    acts[answer](actor=actor, at=clock.now(), exception_id=exception_id, reason=said)
    messages.success(request, {"approve": "In force.", "refuse": "Refused.", "end": "Ended."}[answer])
    return SeeOther(reverse("access:exception", args=[exception_id]))


# --- Findings ---------------------------------------------------------------------------------------


@require_GET
def finding_list(request: HttpRequest) -> HttpResponse:
    """What somebody has to put right, as it is now."""
    _, at = open_page(request, Permission.ORG_READ)
    found = findings.findings(at=at)
    by_code: dict[str, list[findings.Finding]] = {}
    for one in found:
        by_code.setdefault(one.code, []).append(one)
    context = {
        "groups": [(code.replace("-", " ").capitalize(), rows) for code, rows in by_code.items()],
        "count": len(found),
        "tabs": tabs("To put right"),
        "rooms": rooms("Findings"),
    }
    return render(request, "access/findings.html", context)


# --- Rows -------------------------------------------------------------------------------------------


def request_rows(found: Iterable[RequestView]) -> list[RequestRow]:
    """Requests with the words and people that belong to them."""
    listed = list(found)
    ids = {id for one in listed for id in _people_of(one)}
    people, meaning = shown(ids), definitions(asked.role for one in listed for asked in one.roles)
    return [
        RequestRow(
            request=one,
            who=people[one.subject],
            by=people[one.requested_by],
            group=people[one.group] if one.group else None,
            approvals=tuple(people[said.by] for said in one.approvals),
            decided_by=people[one.decided_by] if one.decided_by else None,
            reviewed_by=people[one.reviewed_by] if one.reviewed_by else None,
            roles=tuple(_role_row(asked, meaning[asked.role].name) for asked in one.roles),
            kind=_KINDS[one.kind],
            lasts="" if one.lasts is None else in_words(one.lasts),
            look=_LOOKS[one.status],
        )
        for one in listed
    ]


def exception_rows(found: Iterable[ExceptionView], *, at: datetime) -> list[ExceptionRow]:
    """Exceptions with the words and people that belong to them."""
    listed = list(found)
    people = shown({id for one in listed for id in (one.subject, one.requested_by, one.approved_by) if id})
    return [
        ExceptionRow(
            exception=one,
            who=people[one.subject],
            by=people[one.requested_by],
            approved_by=people[one.approved_by] if one.approved_by else None,
            pairs=tuple(PAIRS[key].title if key in PAIRS else key for key in one.pairs),
            where=where(one.scope),
            look=_LOOKS["over" if one.status == "approved" and not one.in_force(at=at) else one.status],
        )
        for one in listed
    ]


def in_words(length: timedelta) -> str:
    """``8 hours``, ``3 days``, ``90 minutes``: in the largest unit that divides it."""
    minutes = round(length / timedelta(minutes=1))
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("every number is divided by one")


def _people_of(request: RequestView) -> set[str]:
    named = {request.subject, request.requested_by, request.group, request.decided_by, request.reviewed_by}
    return {id for id in named if id} | {said.by for said in request.approvals}


def _role_row(asked: RoleAsked, name: str) -> RoleRow:
    return RoleRow(name=name, where=where(asked.scope), flags=str(asked.narrowing))


def _act(request: HttpRequest, act: Callable[[Actor, datetime, str], RequestView]) -> RequestView:
    return act(signed_in(request), clock.now(), request.POST.get("reason", ""))


def _holds(request: HttpRequest) -> Held:
    """What the signed-in person holds; whoever was deactivated sees nothing.

    :raises Denied: when they are not active.
    """
    holds = held(signed_in(request), at=clock.now())
    if holds.refusal is not None:
        raise denied(holds.refusal, Permission.ORG_READ, ORGANISATION)
    return holds


def _tabs(holds: Held, current: str) -> Any:
    """The rooms of people and access, for who may enter the others, too."""
    return tabs(current) if holds.allows(Permission.ORG_READ) else ()
