"""Ensign's SDK, offline, counting as it does when connected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.contender import Call, Contender
from bench.peers.unleash import document, unleash_context


class This(Contender):
    """`ensign_sdk.Client`."""

    module = "ensign_sdk"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """The same as UnleashClient's."""
        return document(kinds)

    def load(self, text: str, folder: Path) -> None:
        """From a document."""
        from ensign_sdk import Client  # deferred: see Contender

        self.client = Client.offline(text.encode(), app_name="bench", environment="production")

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """A dict."""
        return unleash_context(user, attributes)

    def call(self, flag: str, context: Any) -> Call:
        """`is_enabled` or `get_variant`."""
        ask = self.client.get_variant if self.varied(flag) else self.client.is_enabled
        return lambda: ask(flag, context)

    def answer(self, given: Any) -> bool | str:
        """A variant is an object."""
        return given if isinstance(given, bool) else str(given.name)

    def everything(self, context: Any) -> Call:
        """Its own call for all flags."""
        ask = self.client.evaluate_all
        return lambda: ask(context)

    def answers(self, given: Any) -> dict[str, bool | str]:
        """Evaluations by name."""
        return {name: found.variant.name if self.varied(name) else found.enabled for name, found in given.items()}
