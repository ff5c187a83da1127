"""Which preset new projects get, and since when it is enforced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.access import queries as access
from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects import actions, presets
from ensign.control.projects.models import Enforcement

ID = "installation"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementView:
    """The preset of the installation. ``since`` is when this one was chosen; None while nobody has chosen.

    ``version`` is 0 and ``chosen_by`` empty while it is what set-up decided.
    """

    version: int
    preset: presets.Preset
    compensating_control: str
    since: datetime | None
    chosen_by: str


def current() -> EnforcementView:
    """What new projects get now."""
    row = Enforcement.objects.filter(pk=ID).first()
    if row is None:
        return from_set_up()
    state = row.state
    return EnforcementView(
        version=row.version,
        preset=presets.preset(state["preset"]),
        compensating_control=state["compensating_control"],
        since=clock.parse(state["since"]),
        chosen_by=state["chosen_by"],
    )


def from_set_up() -> EnforcementView:
    """What the first person chose at set-up, until somebody chooses anew; the default where nobody was set up."""
    decided = access.organisation()
    if decided is None:
        chosen = presets.preset(presets.DEFAULT)
        return EnforcementView(version=0, preset=chosen, compensating_control="", since=None, chosen_by="")
    return EnforcementView(
        version=0,
        preset=presets.preset(decided.preset.key),
        compensating_control=decided.compensating_control,
        since=decided.decided_at,
        chosen_by="",
    )


@operation
def choose_preset(*, actor: Actor, at: datetime, preset: str, compensating_control: str = "") -> EnforcementView:
    """Choose what new projects ask for; existing policies stay as they are.

    :raises Invalid: when there is no such preset, or it needs a compensating control and none is stated.
    :raises Denied: without ``org:settings:manage``.
    """
    require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    chosen = presets.preset(preset)
    rules = chosen.rules(
        protected=chosen.protects_production, compensating_control=compensating_control, since=clock.text(at)
    )
    row = Enforcement.objects.select_for_update().filter(pk=ID).first()
    state = {
        "preset": chosen.key,
        "compensating_control": rules.compensating_control,
        "since": clock.text(at),
        "chosen_by": actor.id,
    }
    staged = stage(Enforcement, id=ID, state=state, current=row)
    record(
        action=actions.PRESET_CHOSEN,
        actor=actor,
        at=at,
        staged=[staged],
        detail={"preset": chosen.key, "approvals": rules.approvals},
    )
    return current()
