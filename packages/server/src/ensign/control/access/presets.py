"""What an installation decides at set-up about approvals: the policy that new protected environments start with.

The choice is governed state, so that an auditor sees what was in force since when. ``projects`` reads it when it makes
a project's environments; a later change of a policy goes through the policies themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Preset(StrEnum):
    """The choices, by the keys of ``projects.presets``."""

    SMALL_TEAM = "small-team"
    TWO_PERSON = "two-person"
    REGULATED = "regulated"
    SOLO = "solo"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetView:
    """A choice in words. ``approvals`` is what protected environments ask for; ``control`` compensates for none."""

    key: Preset
    title: str
    description: str
    approvals: int
    control: str


#: The choices in the order in which they are offered; the first is recommended.
PRESETS: Mapping[Preset, PresetView] = MappingProxyType(
    {
        view.key: view
        for view in (
            PresetView(
                key=Preset.SMALL_TEAM,
                title="Small team: one approval by anyone else",
                description="Changes in production wait until a second person has approved them. Nobody approves"
                " their own. Until you have invited a second approver, production cannot be changed, except that"
                " anything can be switched off in an emergency.",
                approvals=1,
                control="",
            ),
            PresetView(
                key=Preset.TWO_PERSON,
                title="Two approvals, with a ticket",
                description="Changes in production wait for two other people, and name what they are for; an approval"
                " counts for two days. It takes three people who may work there.",
                approvals=2,
                control="",
            ),
            PresetView(
                key=Preset.REGULATED,
                title="Regulated: two signed approvals, after staging and tests",
                description="What goes to production ran in staging for a day, passed tests that CI reported, and was"
                " approved by two other people with their passkeys; nothing changes at weekends. It takes three people,"
                " two of them with an approval key, and a CI job: best chosen later, for one project at a time.",
                approvals=2,
                control="",
            ),
            PresetView(
                key=Preset.SOLO,
                title="Just me for now: compensating control stated",
                description="Changes in production apply at once and are listed for review afterwards. The log says"
                " since when, and states the control below instead of a second person's approval.",
                approvals=0,
                control="While there is only one person, somebody independent reviews the list of production changes"
                " every week and signs it off.",
            ),
            PresetView(
                key=Preset.OPEN,
                title="No approval anywhere (not for SOC 2)",
                description="Changes apply at once everywhere. Everything is logged, but there is no evidence of"
                " authorisation to show.",
                approvals=0,
                control="",
            ),
        )
    }
)
