"""Writes of ramps: what follows an approved plan, the steps, and what people and safeguards do to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import rows as governed
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Recorded, Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes import steps
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.trust import SCHEDULER
from ensign.control.changes.following import Happened
from ensign.control.changes.timing import as_whom
from ensign.control.flags.domain import FlagInfo
from ensign.control.flags.models import Flag
from ensign.control.flags.words import share
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.transactions import require_write_door
from ensign.control.projects.domain import check_text
from ensign.control.releases import actions, domain, guards
from ensign.control.releases.domain import Act, Pause, Ramp, Taken
from ensign.control.releases.models import Ramp as RampRow


def _locked(id: str) -> tuple[RampRow, Ramp]:
    row = governed.row(RampRow, lock="update", id=id)
    if row is None:
        raise NotFound("There is no such ramp.", remedy="Look at the list of releases.")
    return row, Ramp.from_state(row.pk, row.state)


def _write(
    ramp: Ramp,
    row: RampRow | None,
    action: Action,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    **detail: Any,
) -> Recorded:
    return record(
        action=action,
        actor=actor,
        at=at,
        staged=[stage(RampRow, id=ramp.id, state=ramp.to_state(), current=row)],
        where=Where(project=ramp.project, environment=ramp.environment),
        reason=reason or None,
        detail={"ramp": ramp.id, "request": ramp.request, "percent": ramp.percent, **detail},
    )


def scope_of(ramp: Ramp) -> Scope:
    """Where a ramp has effect, and on which flag."""
    row = Flag.objects.filter(project=ramp.project, key=ramp.flag).first()
    return Scope(ramp.project, ramp.environment, None if row is None else FlagInfo.from_state(row.state).facts)


def carried(ramp: Ramp) -> steps.Carried:
    """How far its plan has come, for the write door."""
    return steps.Carried(
        ramp=ramp.id,
        request=ramp.request,
        project=ramp.project,
        environment=ramp.environment,
        operation=ramp.operation,
        reached=ramp.reached,
        since=ramp.since,
        running=ramp.status == "running",
        base=ramp.base,
        initial=ramp.initial,
        asked=ramp.asked,
    )


def begin(happened: Happened) -> None:
    """Start the ramps that an applied change planned; called by the write door, in the same transaction."""
    require_write_door()
    request = happened.request
    timed = request.schedule
    by_plan = happened.actor.id == SCHEDULER and timed is not None
    for plan in request.operations:
        if not isinstance(plan, RampPlan):
            continue
        left = steps.standing(project=request.project, environment=request.environment, operation=plan)
        config = happened.before.configs.get(plan.flag)
        before = next((s for s in config.strategies if s.id == plan.strategy), None) if config else None
        ramp = Ramp(
            id=ids.new_id("rmp", at=happened.at),
            project=request.project,
            environment=request.environment,
            request=request.id,
            operation=plan,
            owner=timed.by if by_plan and timed is not None else happened.actor.id,
            since=happened.at,
            initial=0 if before is None else share(before) or 0,
            base=left.base,
            left=left.left,
            asked=steps.asked_of(happened),
            taken=(Taken(percent=plan.steps[0].percent, at=happened.at, request=request.id),),
            started_at=happened.at,
        )
        _write(ramp, None, actions.STARTED, actor=happened.actor, at=happened.at, step=0, steps=len(plan.steps))


def what_is_due(ramp: Ramp, *, at: datetime) -> Act:
    """What the plan says is to be done now; nothing is locked, so that it is asked again under lock."""
    if ramp.status != "running":
        return Act(kind="wait")
    question = guards.Question(
        names=ramp.operation.guards,
        project=ramp.project,
        environment=ramp.environment,
        flag=ramp.flag,
        at=at,
        since=ramp.since,
        ramp=ramp.id,
    )
    return domain.due(ramp, at=at, moved=steps.moved_since(carried(ramp)), judgements=guards.judge(question))


@operation
def advance(*, actor: Actor, at: datetime, ramp_id: str) -> Ramp:
    """Do what is due with a ramp: take its next step, pause it or roll it back; or nothing. For Ensign alone.

    Under lock, so that of several workers one does it; a step and its entries commit together.

    :raises EnsignError: when a step is refused. Nothing is written; who asked pauses it then.
    """
    if actor.id != SCHEDULER:
        raise Denied("Ramps go on by themselves alone.", permission=str(Permission.CHANGE_APPLY), code="not-scheduled")
    row, ramp = _locked(ramp_id)
    act = what_is_due(ramp, at=at)
    if act.kind == "wait":
        return ramp
    if act.kind == "pause":
        return _pause(ramp, row, actor=actor, at=at, act=act)
    if act.kind == "roll_back":
        return _roll_back(ramp, row, actor=actor, at=at, reason=act.reason, code=act.code)
    rights = held(as_whom(ramp.owner), at=at)
    done = steps.take_step(actor=actor, at=at, rights=rights, carried=carried(ramp))
    left = steps.standing(project=ramp.project, environment=ramp.environment, operation=ramp.operation)
    now = domain.stepped(ramp, request=done.request.id, at=done.at, base=left.base, left=left.left)
    _write(
        now, row, actions.STEPPED, actor=actor, at=done.at,
        step=now.reached, steps=len(now.steps), by_request=done.request.id,
    )  # fmt: skip
    if now.status == "finished":
        where = Where(project=now.project, environment=now.environment)
        facts = {"ramp": now.id, "request": now.request, "percent": now.percent, "complete": True}
        record(action=actions.FINISHED, actor=actor, at=done.at, where=where, detail=facts)
    return now


def _pause(ramp: Ramp, row: RampRow, *, actor: Actor, at: datetime, act: Act) -> Ramp:
    pause = Pause(code=act.code, reason=act.reason, by=actor.id, at=at, safeguard=act.safeguard)
    now = domain.paused(ramp, pause)
    code = act.code.replace("-", "_")
    _write(now, row, actions.PAUSED, actor=actor, at=at, reason=act.reason, code=code, safeguard=act.safeguard)
    return now


def _roll_back(ramp: Ramp, row: RampRow, *, actor: Actor, at: datetime, reason: str, code: str) -> Ramp:
    domain.require_underway(ramp)
    rights = held(actor, at=at)
    done = steps.take_back(actor=actor, at=at, rights=rights, carried=carried(ramp))
    now = domain.rolled_back(ramp, request=done.request.id, at=done.at)
    facts = {"by_request": done.request.id, "code": code.replace("-", "_")}
    _write(now, row, actions.ROLLED_BACK, actor=actor, at=done.at, reason=reason, **facts)
    return now


@operation
def pause_refused(*, actor: Actor, at: datetime, ramp_id: str, since: datetime, code: str, reason: str) -> Ramp | None:
    """Pause a ramp whose step was refused; None when it is no longer at the step of ``since``. For Ensign alone."""
    row, ramp = _locked(ramp_id)
    if ramp.status != "running" or ramp.since != since or actor.id != SCHEDULER:
        return None
    return _pause(ramp, row, actor=actor, at=at, act=Act(kind="pause", code=code, reason=reason))


@operation
def pause(*, actor: Actor, at: datetime, ramp_id: str, reason: str = "") -> Ramp:
    """Pause a ramp: by hand, or by a safeguard that acts as a service account. Then only a person lets it go on.

    :raises Denied: without ``ramp:pause`` there. :raises Conflict: when it does not run.
    """
    row, ramp = _locked(ramp_id)
    held(actor, at=at).require(Permission.RAMP_PAUSE, scope_of(ramp))
    text = check_text(reason, field="reason", limit=2_000)
    by_hand = actor.kind == "person"
    act = Act(kind="pause", code="asked" if by_hand else "safeguard", reason=text, safeguard=not by_hand)
    return _pause(ramp, row, actor=actor, at=at, act=act)


@operation
def roll_back(*, actor: Actor, at: datetime, ramp_id: str, reason: str = "") -> Ramp:
    """Take the share back to where it was before the ramp. It was approved with the plan, and waits for no window.

    :raises Denied: without ``ramp:pause`` there. :raises Conflict: when it is over, or the share is that low already.
    """
    row, ramp = _locked(ramp_id)
    text = check_text(reason, field="reason", limit=2_000)
    held(actor, at=at).require(Permission.RAMP_PAUSE, scope_of(ramp))
    code = "asked" if actor.kind == "person" else "safeguard"
    return _roll_back(ramp, row, actor=actor, at=at, reason=text, code=code)


@operation
def stop(*, actor: Actor, at: datetime, ramp_id: str, reason: str = "") -> Ramp:
    """End a ramp where it is: the share stays, and no further step is taken.

    :raises Denied: without ``ramp:pause`` there. :raises Conflict: when it is over.
    """
    row, ramp = _locked(ramp_id)
    held(actor, at=at).require(Permission.RAMP_PAUSE, scope_of(ramp))
    text = check_text(reason, field="reason", limit=2_000)
    now = domain.stopped(ramp, at=at)
    _write(now, row, actions.FINISHED, actor=actor, at=at, reason=text, complete=False)
    return now


@operation
def resume(*, actor: Actor, at: datetime, ramp_id: str, reason: str = "") -> Ramp:
    """Let a paused ramp go on. Whoever does owns it from then on; the step in force is held anew for all of its time.

    :raises Denied: without ``change:apply`` there; after a pause by a safeguard for all but a person in a session.
    :raises Conflict: when it is not paused, or what it rolls out was changed since its last step.
    """
    row, ramp = _locked(ramp_id)
    rights, scope = held(actor, at=at), scope_of(ramp)
    rights.require(Permission.CHANGE_APPLY, scope)
    if ramp.pause is not None and ramp.pause.safeguard and not actor.interactive:
        raise Denied(
            "A safeguard paused this ramp: a person looks at it and lets it go on, in a session.",
            permission=str(Permission.CHANGE_APPLY),
            scope=f"{ramp.project}/{ramp.environment}",
            remedy="Sign in and look at the ramp.",
            code="not-by-token",
        )
    text = check_text(reason, field="reason", limit=2_000)
    now = _standing(ramp)
    # A node whose clock is behind must not shorten the hold.
    going = domain.resumed(ramp, by=actor.id, at=max(at, ramp.since), base=now.base, left=now.left)
    _write(going, row, actions.RESUMED, actor=actor, at=at, reason=text, owner=actor.id)
    return going


def _standing(ramp: Ramp) -> steps.Standing:
    try:
        return steps.standing(project=ramp.project, environment=ramp.environment, operation=ramp.operation)
    except Invalid as gone:
        raise Conflict(
            "What this ramp rolls out is not there any more.",
            remedy="Stop it, and request a new ramp.",
            code="conflicted",
        ) from gone
