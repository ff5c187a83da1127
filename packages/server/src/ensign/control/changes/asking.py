"""Asking people and groups to look at a request. It decides nothing: who may approve, roles and policy say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ensign.control.access.decisions import entitled as holds
from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.queries import who_can
from ensign.control.audit.door import operation
from ensign.control.changes import actions, drafting
from ensign.control.changes.domain import algebra, lifecycle
from ensign.control.changes.domain.approvers import admitted
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.drafting import Proposed
from ensign.control.changes.loading import judges, load, owners, policy_for, reached
from ensign.control.changes.models import Request
from ensign.control.changes.rights import apply_scopes, facts_of
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import FORMER
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound

_RECENT = 50
"""How many of the environment's last applied requests are looked at for who approved them."""
SUGGESTED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who can be asked. ``entitled``: may approve this request, or a member of the group may. ``why`` says
    why they are suggested; empty where they are not.
    """

    id: str
    name: str
    entitled: bool
    why: str = ""

    @property
    def group(self) -> bool:
        """Whether it is a group."""
        return self.id.startswith("grp_")


@operation
def ask_reviewers(
    *, actor: Actor, at: datetime, request_id: str, reviewers: Sequence[str], expected_version: int | None = None
) -> Proposed:
    """Ask these people and groups (ids), and nobody else, to look at a request. No approval is voided by it.

    :raises Denied: without ``change:comment``. :raises Conflict: when it is closed, or not at ``expected_version``.
    :raises Invalid: when somebody could never approve it, cannot see the project, or is nobody.
    """
    row, request = drafting.lock_request(request_id, expected_version=expected_version)
    if request.status == "draft" and actor.id != request.author:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    require(actor, Permission.CHANGE_COMMENT, Scope(request.project), at=at)
    barred = request.barred | owners(request)
    for id_ in dict.fromkeys(reviewers):
        _require_askable(id_, request, barred, at=at)
    asked = lifecycle.ask(request, reviewers=reviewers, at=at)
    if asked.reviewers == request.reviewers:
        return Proposed(request=request, version=row.version)
    fresh = [id_ for id_ in asked.reviewers if id_ not in request.reviewers]
    version = drafting.write(
        asked, row=row, action=actions.REVIEWERS_ASKED, actor=actor, at=at,
        detail={"asked": fresh, "reviewers": list(asked.reviewers)},
    )  # fmt: skip
    return Proposed(request=asked, version=version)


@operation
def submit_and_ask(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    reviewers: Sequence[str],
    expected_version: int | None = None,
    apply: bool = False,
) -> Proposed:
    """:func:`drafting.submit`, and ask in the same transaction. What applied at once is nobody's to look at.

    :raises Invalid, Conflict, Denied: as each of the two.
    """
    done = drafting.submit(actor=actor, at=at, request_id=request_id, expected_version=expected_version, apply=apply)
    if done.applied is not None or not reviewers:
        return done
    return ask_reviewers(actor=actor, at=at, request_id=request_id, reviewers=reviewers)


def _require_askable(id_: str, request: ChangeRequest, barred: frozenset[str], *, at: datetime) -> None:
    known = identity.name(id_)
    if known == FORMER:
        raise Invalid(
            f"There is nobody with the id {id_[:100]}.",
            remedy="`ensign changes reviewers` and the request's page name whom to ask.",
            fields={"reviewers": f"Nobody has the id {id_[:100]}."},
        )

    def no(message: str) -> Invalid:
        return Invalid(f"{known} cannot be asked: {message}", fields={"reviewers": message})

    scope = Scope(request.project)
    if id_.startswith("usr_") and identity.is_active(id_):
        if id_ in barred:
            raise no("they had a part in this request, and can never approve it.")
        if not holds(id_, Permission.PROJECT_READ, scope, at=at):
            raise no("they may not see this project.")
    elif id_.startswith("grp_") and any(group.id == id_ for group in identity.groups() if group.status == "active"):
        members = set(identity.members().get(id_, ()))
        if members and members <= barred:
            raise no("all of its members had a part in this request.")
        if not any(holds(member, Permission.PROJECT_READ, scope, at=at) for member in members - barred):
            raise no("nobody in it may see this project.")
    else:
        raise no("only active people and groups are.")


def asked_of(request: ChangeRequest, person: str, groups: Iterable[str]) -> bool:
    """Whether a request waits for the person to look: asked themselves or by a group, and did not decide this round."""
    if person in request.barred or not {person, *groups} & set(request.reviewers):
        return False
    return not any(d.person == person and d.round == request.round for d in request.decisions)


def candidates(request: ChangeRequest, *, at: datetime, policy: PolicyInForce | None = None) -> list[Candidate]:
    """Everybody who can be asked, suggestions first, each with whether they may approve."""
    policy = policy or policy_for(request, at=at)
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    touched = algebra.touched(request.environment, request.operations)
    flags = load(project=request.project, environment=request.environment, refs=touched).world.flags
    facts = facts_of(flags, request.operations)
    able = _able(apply_scopes(project=request.project, environments=keys, facts=facts), at=at)
    if any(not one.anybody for one in policy.demand.approvers):
        who = judges(request, environments=keys, flags=flags, at=at).who
        able = frozenset(id_ for id_ in able if admitted(who, id_, policy))
    barred = request.barred | owners(request)
    readers = [h.subject for h in who_can(Permission.PROJECT_READ, Scope(request.project), at=at) if h.kind == "person"]
    people = [id_ for id_ in readers if id_ not in barred]
    names = identity.names(people)
    recent = _recent_approvers(request)
    found = [
        Candidate(
            id=id_,
            name=names[id_],
            entitled=id_ in able,
            why=_approved(recent[id_]) if id_ in able and recent[id_] else "",
        )
        for id_ in people
    ]
    found += _groups(set(people), {c.id for c in found if c.entitled}, policy)
    found.sort(key=lambda c: (not c.why, -recent[c.id], not c.entitled, c.name.casefold()))
    # More suggestions than can be taken in at a glance are none.
    return [c if place < SUGGESTED else replace(c, why="") for place, c in enumerate(found)]


def _able(scopes: Sequence[Scope], *, at: datetime) -> frozenset[str]:
    """Who holds the right to approve in all of ``scopes``, in a few queries whatever their number."""
    found: frozenset[str] | None = None
    for scope in scopes:
        holders = frozenset(h.subject for h in who_can(Permission.CHANGE_APPROVE, scope, at=at) if h.kind == "person")
        found = holders if found is None else found & holders
    return found or frozenset()


def _groups(seers: set[str], able: set[str], policy: PolicyInForce) -> list[Candidate]:
    demanded = set(policy.demand.each_group) | {g for a in policy.demand.approvers for g in a.groups}
    members = identity.members()
    return [
        Candidate(
            id=group.id,
            name=group.name,
            entitled=not able.isdisjoint(members.get(group.id, ())),
            why="the policy asks for them" if group.id in demanded else "",
        )
        for group in identity.groups()
        if group.status == "active" and not seers.isdisjoint(members.get(group.id, ()))
    ]


def _approved(times: int) -> str:
    return f"approved {times} change{'s' if times != 1 else ''} here lately"


def _recent_approvers(request: ChangeRequest) -> Counter[str]:
    rows = Request.objects.filter(project=request.project, environment=request.environment, status="applied")
    found: Counter[str] = Counter()
    for row in rows.order_by("-id")[:_RECENT]:
        found.update(given["person"] for given in row.state["approvals"])
    return found
