"""Ensign's engine by itself, asked as its SDK asks it: what a server or an SDK in another guise gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.contender import Call, Contender
from bench.peers.unleash import document, unleash_context


class This(Contender):
    """`ensign_engine.Ruleset`; all flags by its `evaluate_all`."""

    module = "ensign_engine"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """The same as UnleashClient's."""
        return document(kinds)

    def load(self, text: str, folder: Path) -> None:
        """From JSON."""
        from ensign_engine import Ruleset  # deferred: see Contender

        self.rules = Ruleset.parse(text, static_context={"appName": "bench", "environment": "production"})

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """A dict."""
        return unleash_context(user, attributes)

    def call(self, flag: str, context: Any) -> Call:
        """The hot path that `Ruleset` documents, with counting."""
        table = self.rules.table

        def enabled() -> bool:
            found = table[flag]
            if found.decide(context):
                found.counts[1] += 1
                return True
            found.counts[0] += 1
            return False

        def variant() -> Any:
            found = table[flag]
            evaluation = found.choose(context)
            found.counts[evaluation.enabled] += 1
            chosen = evaluation.variant
            counts = found.variant_counts
            counts[chosen.name] = counts.get(chosen.name, 0) + 1
            return chosen

        return variant if self.varied(flag) else enabled

    def answer(self, given: Any) -> bool | str:
        """A variant is an object."""
        return given if isinstance(given, bool) else str(given.name)

    def everything(self, context: Any) -> Call:
        """All of it at once."""
        rules = self.rules
        return lambda: rules.evaluate_all(context)

    def answers(self, given: Any) -> dict[str, bool | str]:
        """Evaluations by name."""
        return {name: found.variant.name if self.varied(name) else found.enabled for name, found in given.items()}
