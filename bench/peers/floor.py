"""The floor: a method that looks a flag up in a dict and decides nothing. No SDK in Python can be faster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.contender import Call, Contender


class _Table:
    def __init__(self, names: list[str]) -> None:
        self._table = dict.fromkeys(names, True)

    def is_enabled(self, name: str, _context: Any) -> bool:
        return self._table[name]


class This(Contender):
    """Constant answers."""

    module = "json"
    checked = False

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """The names."""
        return json.dumps(list(kinds))

    def load(self, text: str, folder: Path) -> None:
        """A dict."""
        self.table = _Table(json.loads(text))

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """Not looked at."""
        return {"userId": user, **attributes}

    def call(self, flag: str, context: Any) -> Call:
        """A method call and a look-up."""
        ask = self.table.is_enabled
        return lambda: ask(flag, context)
