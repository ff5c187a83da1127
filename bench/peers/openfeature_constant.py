"""OpenFeature's SDK with a provider that decides nothing: what its interface alone costs, whatever is behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.contender import Call, Contender


def evaluation_context(user: str, attributes: Mapping[str, str]) -> Any:
    """Its context object."""
    from openfeature.evaluation_context import EvaluationContext  # deferred: see Contender

    return EvaluationContext(targeting_key=user, attributes=dict(attributes))


class This(Contender):
    """Constant answers."""

    module = "openfeature.api"
    checked = False

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """The names."""
        return json.dumps(list(kinds))

    def load(self, text: str, folder: Path) -> None:
        """Set the provider."""
        from openfeature import api  # deferred: see Contender
        from openfeature.flag_evaluation import FlagResolutionDetails, Reason  # deferred: see Contender
        from openfeature.provider.no_op_provider import NoOpProvider  # deferred: see Contender

        on = FlagResolutionDetails(value=True, reason=Reason.STATIC)
        word = FlagResolutionDetails(value="a", variant="a", reason=Reason.STATIC)

        class Constant(NoOpProvider):
            def resolve_boolean_details(self, *_: Any, **__: Any) -> Any:
                return on

            def resolve_string_details(self, *_: Any, **__: Any) -> Any:
                return word

        api.set_provider(Constant())
        self.client = api.get_client()

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """See above."""
        return evaluation_context(user, attributes)

    def call(self, flag: str, context: Any) -> Call:
        """A value of the flag's type."""
        if self.varied(flag):
            text = self.client.get_string_value
            return lambda: text(flag, "", context)
        ask = self.client.get_boolean_value
        return lambda: ask(flag, False, context)
