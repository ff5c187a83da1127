"""What a node has taken in, as it was read: what is kept on disk, and what nodes below it are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ensign.delivery.deltas import Latest
from ensign.delivery.published import Revision
from ensign.delivery.state import Place
from ensign.delivery.tokens import TokenRow


@dataclass(frozen=True, slots=True)
class Copy:
    """One ruleset: the text that was published, to the byte."""

    content: str
    place: Place
    revision: Revision

    @property
    def version(self) -> str:
        """What other nodes know this content by: the same wherever it was read."""
        return "{}.{}".format(*self.revision)


@dataclass(frozen=True, slots=True)
class Held:
    """One consistent state: `copies` by the rulesets' ids, the tokens' rows, and what is served of them."""

    copies: Mapping[str, Copy] = field(default_factory=lambda: MappingProxyType({}))
    tokens: tuple[TokenRow, ...] = ()
    latest: Latest = field(default_factory=Latest)
