"""What this node knows: an immutable snapshot that is swapped as a whole, and never goes back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ensign.delivery.published import Published
from ensign.delivery.tokens import Token, TokenRow, active

log = logging.getLogger("ensign.delivery")

Place = tuple[str, str]
"""(project, environment)."""


@dataclass(frozen=True, slots=True)
class State:
    """Rulesets by place and tokens by hash. `memo` holds what was built from exactly this state."""

    rulesets: Mapping[Place, Published] = field(default_factory=lambda: MappingProxyType({}))
    tokens: Mapping[str, Token] = field(default_factory=lambda: MappingProxyType({}))
    memo: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def scope(self, projects: Iterable[str] | None, environment: str) -> tuple[Published, ...]:
        """The rulesets of `projects` (None: of all) in `environment`, sorted by project."""
        if projects is None:
            found = [item for (_, place), item in self.rulesets.items() if place == environment]
            return tuple(sorted(found, key=lambda item: item.project))
        return tuple(
            self.rulesets[project, environment]
            for project in sorted(set(projects))
            if (project, environment) in self.rulesets
        )


def advanced(state: State, rulesets: Iterable[Published], tokens: Iterable[TokenRow] | None) -> State:
    """`state` with newer rulesets taken in and, unless None, the tokens replaced; `state` itself if nothing differs.

    A ruleset that is older than the one held is refused: an SDK that saw a change must never lose it again.
    """
    places = dict(state.rulesets)
    for ruleset in rulesets:
        place = (ruleset.project, ruleset.environment)
        held = places.get(place)
        if held is not None and ruleset.revision < held.revision:
            log.error(
                "%s/%s: refused revision %s, which is older than %s; was a backup restored without a new epoch?",
                *place, ruleset.revision, held.revision,
            )  # fmt: skip
            continue
        if held is None or ruleset.revision > held.revision:
            places[place] = ruleset
    known = state.tokens if tokens is None else MappingProxyType(active(tokens))
    if known == state.tokens and all(state.rulesets.get(place) is item for place, item in places.items()):
        return state
    return State(rulesets=MappingProxyType(places), tokens=known)
