"""What new projects ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ensign.control.kernel.errors import Invalid
from ensign.control.projects.checking import check_rules
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

    def rules(self, *, protected: bool, compensating_control: str, since: str) -> PolicyRules:
        """The rules that an environment of a new project gets.

        :raises Invalid: when a compensating control is needed and none was stated.
        """
        approvals = self.approvals if protected else 0
        return check_rules(
            PolicyRules(
                approvals=approvals,
                requires_reason=protected,
                compensating_control=compensating_control if protected and self.needs_control else "",
                preset=self.key,
                enforced_since=since if approvals else "",
            ),
            protected=protected,
        )


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


def preset(key: str) -> Preset:
    """The preset with this key.

    :raises Invalid: naming ``preset``.
    """
    found = PRESETS.get(key)
    if found is None:
        raise Invalid("There is no such preset.", fields={"preset": f"Choose one of {', '.join(PRESETS)}."})
    return found
