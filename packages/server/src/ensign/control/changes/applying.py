"""Applying a change: everything is locked and checked again, and all of it commits together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import Held
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.changes import actions, following, gates
from ensign.control.changes.compiling import Rows, stage_rows
from ensign.control.changes.domain import algebra, lifecycle, plans, trust
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.emergency import Opening
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.requests import ChangeRequest, Mode, PolicyInForce
from ensign.control.changes.domain.signing import in_entry
from ensign.control.changes.domain.trust import Judges
from ensign.control.changes.domain.world import Ref, World
from ensign.control.changes.gates import Asked
from ensign.control.changes.loading import (
    Loaded,
    behind,
    judges,
    load,
    load_for,
    policy_of,
    reached,
    references,
)
from ensign.control.changes.models import Request
from ensign.control.changes.policy_gates import touches_policy, weakened
from ensign.control.changes.rights import facts_of, require_to_apply
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict
from ensign.control.projects import policies
from ensign.control.projects.domain import ApprovedChange
from ensign.control.publishing.operations import Publication, stage_publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was applied: the request as it is now, the entry's number and time, the revisions published."""

    request: ChangeRequest
    seq: int
    at: datetime
    revisions: tuple[tuple[str, int, int], ...]
    """(environment, epoch, number) of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What an apply finds with everything locked: where it reaches, the states before and after, what it must meet, who
    may judge, and what let it pass its gates.
    """

    environments: Sequence[str]
    before: Loaded
    after: World
    policy: PolicyInForce
    people: Judges
    passed_by: Mapping[str, Any]


def _ground(request: ChangeRequest, *, rights: Held, mode: Mode, at: datetime) -> _Ground:
    """Lock all that it touches or references, ask the actor's rights, and the gates."""
    place = {"project": request.project, "environment": request.environment}
    keys = reached(operations=request.operations, **place)
    found = policies.policies_of(request.project, keys, lock=True)
    loaded = load(refs=[Ref.parse(name) for name in request.base], lock=True, **place)
    back = mode == "plan" and request.goes_back
    seen = facts_of(loaded.world.flags, request.operations)
    require_to_apply(rights, request, environments=keys, facts=seen, mode=mode, back=back)
    people = judges(request, environments=keys, flags=loaded.world.flags, at=at, lock=True)
    trust.require_open(request, direct=mode != "request", emergency=mode == "break-glass")
    trust.require_unmoved(request, loaded.versions)
    after = algebra.apply_all(loaded.world, request.operations)
    policy = policy_of(found, loaded.world, after, request.operations, at=at)
    asked = Asked(
        request=request,
        policy=policy,
        before=loaded.world,
        after=after,
        # Rolling back only takes away what the plan's approval gave: like switching off, it waits for no window.
        mode="standard" if back else mode,
        at=at,
        phase="apply",
    )
    gates.require(asked)
    return _Ground(
        environments=keys,
        before=loaded,
        after=after,
        policy=policy,
        people=people,
        passed_by=gates.witnessed(asked),
    )


def apply_request(
    *,
    actor: Actor,
    at: datetime,
    rights: Held,
    request: ChangeRequest,
    row: Request | None,
    mode: Mode,
    accompany: Callable[[], Sequence[Staged]] = tuple,
    underway: plans.Underway | None = None,
    opening: Opening | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Applied:
    """Apply ``request``, whose row (None: it is made now) is locked. Call it inside the write door.

    ``accompany`` makes further rows that the same entry vouches for; it is called when all else is ready.
    ``underway`` is the plan of which it is a step, for the mode "plan"; ``opening``, read under lock, is what the mode
    "break-glass" rests on. ``facts`` are added to the entry's detail.
    ``rights`` are what the actor holds, read inside this write door: here they are asked, for the flags as they are
    under lock, and what makes the approvals good is checked.

    :raises Denied: when the actor may not apply this.
    :raises Conflict: when something moved, was edited, or the approvals no longer count; nothing is written.
    """
    ground = _ground(request, rights=rights, mode=mode, at=at)
    before, after, policy = ground.before, ground.after, ground.policy
    refs = references(after=after, operations=request.operations)
    applied = lifecycle.applied(
        request,
        actor,
        at=at,
        policy=policy,
        current={ref.name: before.versions.get(ref.name, -1) for ref in refs},
        judges=ground.people,
        mode=mode,
        underway=underway,
        opening=opening,
    )
    approved = _approved(applied, ground.environments)
    rows = stage_rows(before=before, after=after, operations=request.operations, approved=approved, at=at)
    _require_exact(rows, after)
    extra = accompany()
    publications = _publish(rows, after, environments=ground.environments)
    written = stage(Request, id=request.id, state=applied.to_state(), current=row)
    weaker = {"weakened": weakened(before.world, after, at=at)} if touches_policy(applied) else {}
    done = _record(
        applied,
        actor=actor,
        at=at,
        staged=[written, *rows.staged, *extra],
        publications=publications,
        approval=approval_object(applied, policy, owners=ground.people.owners, opening=opening),
        facts={**ground.passed_by, **weaker, **(facts or {})},
    )
    following.follow(following.Happened(request=done.request, before=before.world, actor=actor, at=done.at))
    return done


def _record(
    applied: ChangeRequest,
    *,
    actor: Actor,
    at: datetime,
    staged: Sequence[Staged],
    publications: Sequence[Publication],
    approval: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Applied:
    """One entry for the request, the rows and the rulesets. ``facts`` stand in its detail: what let it pass its gates,
    what it rests on, and for a change of policies whether less is asked from now on (``weakened``).
    """
    recorded = record(
        action=actions.APPLIED,
        actor=actor,
        at=at,
        staged=[*staged, *(publication.staged for publication in publications)],
        where=Where(project=applied.project, environment=applied.environment),
        approval=approval,
        reason=applied.reason or None,
        detail={
            "request": applied.id,
            "operations": sorted({operation.type for operation in applied.operations}),
            **({} if applied.reverts is None else {"reverts": applied.reverts}),
            **facts,
            **_timed(applied, actor, at=at),
            **_planned(applied),
            **({"rulesets": [publication.fact for publication in publications]} if publications else {}),
        },
    )
    for publication in publications:
        publication.finish(seq=recorded.seq)
    revisions = tuple((p.environment, p.epoch, p.number) for p in publications)
    return Applied(request=applied, seq=recorded.seq, at=recorded.ts, revisions=revisions)


def _timed(applied: ChangeRequest, actor: Actor, *, at: datetime) -> Mapping[str, Any]:
    """That it applied by itself: for when, who set that time, and how many whole seconds later it was."""
    timed = applied.schedule
    if timed is None or actor.id != trust.SCHEDULER:
        return {}
    late = max(0, int((at - timed.at).total_seconds()))
    return {"scheduled": {"at": clock.text(timed.at), "by": timed.by, "late_seconds": late}}


def _planned(applied: ChangeRequest) -> Mapping[str, Any]:
    """The ramps that were approved with it, in clear: every further step is checked against them."""
    found = [
        {
            "strategy": operation.strategy,
            "steps": [step.percent for step in operation.steps],
            "holds": [step.hold for step in operation.steps],
        }
        for operation in applied.operations
        if isinstance(operation, RampPlan)
    ]
    return {"plans": found} if found else {}


def _approved(applied: ChangeRequest, environments: Sequence[str]) -> ApprovedChange:
    """The key to the rows' writers; made from a request that :func:`lifecycle.applied` let through, and only here."""
    return ApprovedChange(
        change=applied.id,
        digest=applied.digest,
        project=applied.project,
        environments=frozenset(environments),
        approvers=tuple(a.person for a in applied.approvals),
    )


def _require_exact(rows: Rows, after: World) -> None:
    """What will be stored is what was approved. Validation may have become stricter since the request was written."""
    segments = {key: value.constraints for key, value in rows.segments.items()}
    if any(after.configs[key] != config for key, config in rows.configs.items()) or any(
        after.segments[key] != constraints for key, constraints in segments.items()
    ):
        raise Conflict(
            "The rules for what may be stored changed since this was written: it would be stored differently.",
            remedy="Bring the request up to date, so that what is stored is reviewed.",
            code="digest-mismatch",
        )


def _publish(rows: Rows, after: World, *, environments: Sequence[str]) -> list[Publication]:
    if not rows.publishes:
        return []
    made: list[Publication] = []
    for key in environments:
        here = key == after.environment
        publication = stage_publication(
            project=after.project,
            environment=key,
            flags=rows.configs if here else {},
            # The shared part of a flag whose content alone changes was read, and locked, for this change.
            infos={**{flag: after.flags[flag] for flag in rows.configs}, **rows.infos} if here else rows.infos,
            segments=rows.segments if here else {},
            previous=made[-1] if made else None,
        )
        made.append(publication)
    return made


def approval_object(
    request: ChangeRequest, policy: PolicyInForce, *, owners: frozenset[str], opening: Opening | None = None
) -> Mapping[str, Any]:
    """How the approvals stand in the entry (docs/reference/ledger-format).

    ``contributors`` are all who may not be among the approvers, besides the author: who edited it, and ``behind``, the
    people who stood behind a service account that wrote or edited it, or answer for it now (``owners``). For a step of
    a plan the digest is the plan's: what was approved, and ``plan`` says which step of it this is.
    """
    behind = sorted({*request.behind, *owners} - request.authors)
    return {
        "request": request.id,
        "author": request.author,
        "contributors": [*request.contributors, *behind],
        "behind": behind,
        "approvers": [
            # Trust refuses approvals by any other way than a session.
            {
                "id": a.person,
                "at": clock.text(a.at),
                "digest": a.digest,
                "via": "session",
                **({} if a.signature is None or request.plan else {"signature": in_entry(a.signature)}),
            }
            for a in request.approvals
        ],
        "required": request.required or 0,
        # How many of them had to be signed; all, or none. For a step the plan's own entry holds the signatures.
        **({"signed": request.required or 0} if policy.demand.signed and request.plan is None else {}),
        "digest": request.digest if request.plan is None else request.plan.digest,
        **({} if request.plan is None else {"plan": request.plan.to_state()}),
        "policy": policy.ref,
        "mode": request.mode or "request",
        "protected": policy.protected,
        "compensated": policy.compensated,
        **({} if opening is None else {"opening": dict(opening.to_approval())}),
    }


def standard_request(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    operations: Sequence[Operation],
    reason: str,
    incident: str | None = None,
) -> ChangeRequest:
    """The request of a standard change, which is made and applied in one act.

    :raises OperationError: when it cannot be applied to the state as it is.
    """
    # Locked from here to the commit: a kill must not fail because somebody edits the flag at the same moment.
    policies.policies_of(project, [environment], lock=True)
    refs = [
        Ref.parse(name) for name in load_for(project=project, environment=environment, operations=operations).versions
    ]
    loaded = load(project=project, environment=environment, refs=refs, lock=True)
    digest = change_digest(project=project, environment=environment, operations=operations, base=loaded.versions)
    return ChangeRequest(
        id=ids.new_id("crq", at=at),
        project=project,
        environment=environment,
        title=algebra.describe_all(loaded.world, operations)[0],
        reason=reason,
        author=actor.id,
        behind=behind(actor),
        operations=tuple(operations),
        base=loaded.versions,
        digest=digest,
        created_at=at,
        updated_at=at,
        incident=incident,
    )


def apply_standard(
    *,
    actor: Actor,
    at: datetime,
    rights: Held,
    request: ChangeRequest,
    accompany: Callable[[], Sequence[Staged]],
    facts: Mapping[str, Any] | None = None,
) -> Applied:
    """Apply what :func:`standard_request` made, for ``incidents``.

    :raises Denied: without the right to press the kill switch, or when it is anything but switching off.
    """
    return apply_request(
        actor=actor, at=at, rights=rights, request=request, row=None, mode="standard", accompany=accompany, facts=facts
    )
