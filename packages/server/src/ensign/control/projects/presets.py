"""What new projects ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ensign.control.kernel.errors import Invalid
from ensign.control.projects.checking import check_rules
from ensign.control.projects.demands import NOTHING, Demand, Freeze, Hours, Progression
from ensign.control.projects.domain import PolicyRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A preset. ``strength`` orders them: whoever may only create projects cannot choose a weaker one."""

    key: str
    name: str
    description: str
    strength: int
    protects_production: bool
    approvals: int
    needs_control: bool = False

    further: Demand = NOTHING
    freezes: tuple[Freeze, ...] = ()
    delay_hours: int = 0

    def wished(self, *, protected: bool, compensating_control: str = "") -> PolicyRules:
        """What it asks for, before it is checked."""
        if not protected:
            return PolicyRules(preset=self.key)
        return PolicyRules(
            approvals=self.approvals,
            requires_reason=True,
            compensating_control=compensating_control if self.needs_control else "",
            preset=self.key,
            further=self.further,
            freezes=self.freezes,
            delay_hours=self.delay_hours,
        )

    def rules(self, *, protected: bool, compensating_control: str, since: str) -> PolicyRules:
        """The rules that an environment of a new project gets.

        :raises Invalid: when a compensating control is needed and none was stated.
        """
        wished = self.wished(protected=protected, compensating_control=compensating_control)
        return check_rules(replace(wished, enforced_since=since if wished.always.required else ""), protected=protected)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """An environment that every new project begins with."""

    key: str
    name: str
    protected: bool = False


ENVIRONMENTS = (
    EnvironmentPlan(key="development", name="Development"),
    EnvironmentPlan(key="staging", name="Staging"),
    EnvironmentPlan(key="production", name="Production", protected=True),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.key: preset
        for preset in (
            Preset(
                key="regulated",
                name="Regulated",
                description="Production is protected: two other people approve, for two days at most, what has run in"
                " staging for a day and passed its tests, signed with their passkeys, with a ticket; nothing changes"
                " at weekends, and a weaker policy takes effect a day after its approval.",
                strength=5,
                protects_production=True,
                approvals=2,
                further=Demand(
                    requires_ticket=True,
                    requires_tests=True,
                    signed=True,
                    approval_hours=48,
                    max_step=50,
                    progression=(Progression(environment="staging", hours=24),),
                ),
                freezes=(Freeze(name="Weekend", weekly=Hours(days=(5, 6), start=0, end=1440)),),
                delay_hours=24,
            ),
            Preset(
                key="two-person",
                name="Two people",
                description="Production is protected: two other people approve each change, with a ticket, and an"
                " approval counts for two days.",
                strength=4,
                protects_production=True,
                approvals=2,
                further=Demand(requires_ticket=True, approval_hours=48),
                delay_hours=4,
            ),
            Preset(
                key="small-team",
                name="Small team",
                description="Production is protected: one other person approves each change, nobody their own.",
                strength=3,
                protects_production=True,
                approvals=1,
            ),
            Preset(
                key="solo",
                name="One person",
                description="Production is protected but nobody else can approve yet: you state what is done instead,"
                " and it is shown wherever an approval would be.",
                strength=2,
                protects_production=True,
                approvals=0,
                needs_control=True,
            ),
            Preset(
                key="open",
                name="Open",
                description="Nothing is protected: every change applies at once. For trying things out.",
                strength=1,
                protects_production=False,
                approvals=0,
            ),
        )
    }
)
DEFAULT = "small-team"


def recognised(rules: PolicyRules, *, protected: bool) -> str:
    """The key of the preset that asks for exactly this, or empty."""
    for key, one in PRESETS.items():
        control = rules.compensating_control if one.needs_control else ""
        wished = one.wished(protected=protected, compensating_control=control)
        if protected and replace(wished, preset=rules.preset, enforced_since=rules.enforced_since) == rules:
            return key
    return ""


def preset(key: str) -> Preset:
    """The preset with this key.

    :raises Invalid: naming ``preset``.
    """
    found = PRESETS.get(key)
    if found is None:
        raise Invalid("There is no such preset.", fields={"preset": f"Choose one of {', '.join(PRESETS)}."})
    return found
