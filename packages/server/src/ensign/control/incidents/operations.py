"""The kill switch: off at once, without approval, for a reason that is asked afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.operations import Applied, Proposed, apply_standard, propose, standard_request
from ensign.control.flags.domain import FlagInfo
from ensign.control.flags.models import Flag
from ensign.control.incidents import incidents, queries
from ensign.control.incidents.actions import REASON_GIVEN
from ensign.control.incidents.models import Kill
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What a kill did."""

    kill: queries.KillView
    applied: Applied


@operation
def kill(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    flag: str,
    reason: str = "",
    incident: str | None = None,
    trigger: str | None = None,
    made_by: str | None = None,
    now: Callable[[], datetime],
) -> Killed:
    """Switch a flag off in an environment at once: a standard change, whatever the policy asks for.

    ``incident`` is the one that it is part of. ``trigger`` is the address that was called, ``made_by`` who made it.

    ``at`` is when the press arrived; ``now`` is the interface's clock, read once when all is ready to commit, so that
    the record holds how long it took. Switching on again is an ordinary change.

    :raises Denied: without ``flag:kill`` there.
    :raises Conflict: when it is off already; code ``switches-on``, naming them, when off would switch other flags on.
    """
    rights = held(actor, at=at)
    rights.require(Permission.FLAG_KILL, scope_of(project, environment, flag))
    projects.environment(project, environment)
    if not Flag.objects.filter(project=project, key=flag).exists():
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    _require_safe(project, environment, flag)
    if incident is not None:
        incidents.going_on(incident, project=project, environment=environment)
    request = standard_request(
        actor=actor,
        at=at,
        project=project,
        environment=environment,
        operations=(FlagDisable(flag=flag),),
        reason=reason,
        incident=incident,
    )
    kill_id = ids.new_id("kil", at=at)
    text = check_text(reason, field="reason", limit=5_000)

    def accompany() -> Sequence[Staged]:
        state = {
            "project": project,
            "environment": environment,
            "flag": flag,
            "request": request.id,
            "by": actor.id,
            "via": actor.via,
            "pressed_at": clock.text(at),
            "applied_at": clock.text(max(at, now())),
            "reason_status": "given" if text else "open",
            "reason": text,
            "reason_by": actor.id if text else None,
            "reason_at": clock.text(at) if text else None,
            "incident": incident,
            "trigger": trigger,
        }
        return [stage(Kill, id=kill_id, state=state)]

    facts = {name: value for name, value in (("trigger", trigger), ("made_by", made_by)) if value}
    applied = apply_standard(
        actor=actor, at=at, rights=rights, request=request, accompany=accompany,
        facts={**facts, **({"incident": incident} if incident else {})},
    )  # fmt: skip
    return Killed(kill=queries.kill(kill_id), applied=applied)


def _require_safe(project: str, environment: str, flag: str) -> None:
    dependants = queries.would_switch_on(project=project, environment=environment, flag=flag)
    if dependants:
        raise Conflict(
            f"Switching {flag} off would switch on {', '.join(dependants)}, which depend on its being off.",
            remedy="Switch those off first, or make a change request for all of them.",
            code="switches-on",
        )


@operation
def restore(*, actor: Actor, at: datetime, kill_id: str) -> Proposed:
    """A draft that switches the flag on again: an ordinary change, of the incident that the kill was part of.

    :raises Denied: without the right to draft that. :raises Invalid: when the flag is on.
    """
    found = queries.kill(kill_id)
    return propose(
        actor=actor, at=at, project=found.project, environment=found.environment,
        operations=(FlagEnable(flag=found.flag),), title=f"Switch {found.flag} on again",
        reason=f"It was switched off by {found.id}.", wish="draft", incident=found.incident,
    )  # fmt: skip


def scope_of(project: str, environment: str, flag: str) -> Scope:
    """Where a kill has effect, and on what. The flag is looked up here, and again under lock when it applies."""
    row = Flag.objects.filter(project=project, key=flag).first()
    return Scope(project, environment, None if row is None else FlagInfo.from_state(row.state).facts)


@operation
def record_reason(*, actor: Actor, at: datetime, kill_id: str, reason: str) -> queries.KillView:
    """Say why a kill switch was pressed: whoever pressed it, or who may explain those of others there.

    :raises Conflict: when the reason was given already. :raises Invalid: when there is none.
    """
    row = Kill.objects.select_for_update().filter(pk=kill_id).first()
    if row is None:
        raise NotFound("There is no such kill record.", remedy="Look at the list of kill switches.")
    state = row.state
    rights, scope = held(actor, at=at), scope_of(state["project"], state["environment"], state["flag"])
    if not (actor.id == state["by"] and rights.allows(Permission.PROJECT_READ, scope)):
        rights.require(Permission.KILL_EXPLAIN, scope)
    if state["reason_status"] == "given":
        raise Conflict("The reason was given already.", remedy="Comment on the change request instead.")
    text = check_text(reason, field="reason", limit=5_000)
    if len(text) < 3:
        raise Invalid("The reason is missing.", fields={"reason": "Say in a sentence why it was switched off."})
    given = {**state, "reason_status": "given", "reason": text, "reason_by": actor.id, "reason_at": clock.text(at)}
    record(
        action=REASON_GIVEN,
        actor=actor,
        at=at,
        staged=[stage(Kill, id=kill_id, state=given, current=row)],
        where=Where(project=state["project"], environment=state["environment"]),
        reason=text,
        detail={"kill": kill_id, "request": state["request"]},
    )
    return queries.kill(kill_id)
