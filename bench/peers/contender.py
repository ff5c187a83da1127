"""What every contender can be asked; one module of this folder each, imported in a process of its own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from bench.peers.rules import VARIANTS

Call = Callable[[], Any]


class Contender(ABC):
    """An SDK, ready to answer. Modules are imported inside, so that a probe can time it."""

    module: ClassVar[str]
    """What an application imports."""
    checked: ClassVar[bool] = True
    """False for what gives constant answers, to show what a call costs that decides nothing."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds

    @classmethod
    @abstractmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """The rules as this SDK gets them from its server."""

    @abstractmethod
    def load(self, text: str, folder: Path) -> None:
        """Build the client from a document, without any network; `folder` is for files, gone afterwards."""

    @abstractmethod
    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """What the SDK's calls take for a user; made outside of what is timed."""

    @abstractmethod
    def call(self, flag: str, context: Any) -> Call:
        """A call that says whether the flag is on or, for one with variants, gives the variant."""

    def answer(self, given: Any) -> bool | str:
        """What a call returned, as on or off or the name of the variant."""
        assert isinstance(given, bool | str)
        return given

    def everything(self, context: Any) -> Call:
        """A call that gives name -> answer for all flags: the SDK's own, or one call a flag."""
        calls = [(name, self.call(name, context)) for name in self.kinds]
        return lambda: {name: call() for name, call in calls}

    def answers(self, given: Any) -> dict[str, bool | str]:
        """What `everything` returned, read."""
        return {name: self.answer(value) for name, value in given.items()}

    def run(self, call: Call) -> Any:
        """The result of one call."""
        return call()

    def timed(self, call: Call, times: int) -> float:
        """Nanoseconds a call; the loop's own cost (about 20 ns) is everybody's."""
        repeat = range(times)
        start = time.perf_counter_ns()
        for _ in repeat:
            call()
        return (time.perf_counter_ns() - start) / times

    def varied(self, flag: str) -> bool:
        """Whether the flag is asked for a variant."""
        return self.kinds[flag] == VARIANTS
