"""What the detectors are set to: reading it, and deciding otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.monitoring import actions
from ensign.control.monitoring.domain.rules import Rules, changed, checked, dulled
from ensign.control.monitoring.models import MonitoringRules
from ensign.control.projects import queries as projects

ID = "installation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The rules in force and their version (0: the defaults, nobody has decided)."""

    rules: Rules
    version: int


def present() -> Present:
    """What holds now."""
    row = MonitoringRules.objects.filter(pk=ID).first()
    return (
        Present(rules=Rules(), version=0)
        if row is None
        else Present(rules=Rules.from_state(row.state), version=row.version)
    )


@operation
def change(*, actor: Actor, at: datetime, wanted: Rules, version: int | None = None, reason: str = "") -> Present:
    """Decide on other rules. Less or later noticing is itself an alert.

    :raises Denied: without ``org:settings:manage``; NeedsMfa without a recent second factor.
    :raises Invalid: for values out of bounds, or working hours of a project that there is not.
    :raises Conflict: when ``version`` is given and no longer in force.
    """
    require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    row = MonitoringRules.objects.select_for_update().filter(pk=ID).first()
    before = Rules() if row is None else Rules.from_state(row.state)
    if version is not None and version != (0 if row is None else row.version):
        raise Conflict(
            "Somebody else changed what is watched meanwhile.",
            remedy="Reload the page, and decide again.",
            code="version-conflict",
        )
    rules = checked(wanted)
    unknown = [key for key in rules.project_hours if not projects.was_ever(project=key, environment=None)]
    if unknown:
        raise Invalid(
            "There is no such project.", fields={"project_hours": f"There is no project “{unknown[0][:100]}”."}
        )
    members = changed(before, rules)
    if not members:
        return present()
    staged = stage(MonitoringRules, id=ID, state=rules.to_state(), current=row)
    record(
        action=actions.RULES_CHANGED,
        actor=actor,
        at=at,
        staged=[staged],
        reason=reason,
        detail={"changed": list(members), "dulled": list(dulled(before, rules))},
    )
    return present()
