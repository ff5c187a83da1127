"""Which strategy types there are and which parameters they take, as texts (semantics, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["percentage", "stickiness", "group", "list", "addresses", "host-names"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name on the wire, what it is, and its label in the editor."""

    name: str
    kind: Kind
    label: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class StrategyType:
    """A strategy type. ``offered`` ones stand in the editor; the others are kept for rules that were imported."""

    name: str
    label: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    offered: bool = True


_GROUP = Parameter("groupId", "group", "Group", "Flags of one group and percentage reach the same people.")

TYPES: Mapping[str, StrategyType] = {
    t.name: t
    for t in (
        StrategyType(
            "flexibleRollout",
            "Gradual rollout",
            "A share of those whom the constraints admit, always the same ones.",
            (
                Parameter("rollout", "percentage", "Rollout"),
                Parameter(
                    "stickiness", "stickiness", "Stickiness", "Which field of the context keeps the answer stable."
                ),
                _GROUP,
            ),
        ),
        StrategyType("default", "Everybody", "Everybody whom the constraints admit."),
        StrategyType(
            "userWithId",
            "Listed user ids",
            "The listed user ids and nobody else.",
            (Parameter("userIds", "list", "User ids", "One a line, or separated by commas."),),
        ),
        StrategyType(
            "remoteAddress",
            "Network addresses",
            "Callers from the listed addresses or ranges.",
            (Parameter("IPs", "addresses", "Addresses", "For example 10.0.0.0/8, one a line."),),
        ),
        StrategyType(
            "applicationHostname",
            "Host names",
            "Applications that run on the listed hosts.",
            (Parameter("hostNames", "host-names", "Host names", "One a line, or separated by commas."),),
        ),
        StrategyType(
            "gradualRolloutUserId",
            "Gradual rollout by user id (old form)",
            "Kept for imported rules; a gradual rollout does the same.",
            (Parameter("percentage", "percentage", "Rollout"), _GROUP),
            offered=False,
        ),
        StrategyType(
            "gradualRolloutSessionId",
            "Gradual rollout by session (old form)",
            "Kept for imported rules; a gradual rollout does the same.",
            (Parameter("percentage", "percentage", "Rollout"), _GROUP),
            offered=False,
        ),
        StrategyType(
            "gradualRolloutRandom",
            "Random share (old form)",
            "Kept for imported rules; a gradual rollout with random stickiness does the same.",
            (Parameter("percentage", "percentage", "Rollout"),),
            offered=False,
        ),
    )
}
