"""Reading untrusted JSON strictly: wrong types and unknown fields are refused, and the field is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ensign_ledger import canonical

from ensign.control.kernel.errors import Invalid

T = TypeVar("T")

_MISSING = object()


def refuse(path: str, message: str, *, remedy: str = "") -> Invalid:
    """An :class:`Invalid` about the one field ``path``."""
    return Invalid(f"{path}: {message}", remedy=remedy, fields={path: message})


class Reader:
    """Takes the members out of one JSON object; :meth:`end` refuses what nobody took."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise refuse(path, "must be an object")
        self._value, self.path = dict(value), path

    def at(self, name: str) -> str:
        """The path of the member ``name``."""
        return f"{self.path}.{name}" if self.path else name

    def _take(self, name: str, default: object) -> Any:
        value = self._value.pop(name, default)
        if value is _MISSING:
            raise refuse(self.at(name), "is missing")
        return value

    def text(self, name: str, default: Any = _MISSING) -> str:
        """A text that the ledger can hold (no lone surrogates, no U+0000)."""
        value = self._take(name, default)
        if not isinstance(value, str):
            raise refuse(self.at(name), "must be a text")
        try:
            canonical.encode(value)
        except canonical.CanonicalError:
            raise refuse(self.at(name), "holds characters that cannot be stored") from None
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None when the member is absent or null."""
        if self._value.get(name) is None:
            self._value.pop(name, None)
            return None
        return self.text(name)

    def boolean(self, name: str, default: Any = _MISSING) -> bool:
        """``true`` or ``false``."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise refuse(self.at(name), "must be true or false")
        return value

    def integer(self, name: str, default: Any = _MISSING, *, least: int = 0, most: int = 1_000_000) -> int:
        """A whole number between ``least`` and ``most``."""
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise refuse(self.at(name), "must be a whole number")
        if not least <= value <= most:
            raise refuse(self.at(name), f"must be between {least} and {most}")
        return value

    def optional_integer(self, name: str, *, least: int = 0, most: int = 1_000_000) -> int | None:
        """A whole number, or None when the member is absent or null."""
        if self._value.get(name) is None:
            self._value.pop(name, None)
            return None
        return self.integer(name, least=least, most=most)

    def items(self, name: str, read: Callable[[Any, str], T], default: Any = _MISSING) -> tuple[T, ...]:
        """A list, each element read by ``read(value, path)``."""
        value = self._take(name, default)
        if not isinstance(value, list | tuple):
            raise refuse(self.at(name), "must be a list")
        return tuple(read(element, f"{self.at(name)}[{index}]") for index, element in enumerate(value))

    def texts(self, name: str, default: Any = _MISSING) -> tuple[str, ...]:
        """A list of texts."""
        return self.items(name, _text, default)

    def mapping(self, name: str, default: Any = _MISSING) -> dict[str, str]:
        """An object whose members are all texts."""
        value = self._take(name, default)
        if not isinstance(value, Mapping):
            raise refuse(self.at(name), "must be an object")
        reader = Reader(value, self.at(name))
        return {_text(key, self.at(name)): reader.text(key) for key in list(value)}

    def inner(self, name: str, read: Callable[[Any, str], T]) -> T:
        """An object, read by ``read(value, path)``."""
        return read(self._take(name, _MISSING), self.at(name))

    def optional_inner(self, name: str, read: Callable[[Any, str], T]) -> T | None:
        """An object, or None when the member is absent or null."""
        value = self._value.pop(name, None)
        return None if value is None else read(value, self.at(name))

    def end(self) -> None:
        """Refuse members that nobody took.

        :raises Invalid: naming each.
        """
        if self._value:
            unknown = sorted(map(str, self._value))
            raise Invalid(
                f"Unknown field{'s' if len(unknown) > 1 else ''}: {', '.join(self.at(name) for name in unknown)}.",
                remedy="Remove it or correct its spelling; nothing is ignored silently.",
                fields={self.at(name): "is not known here" for name in unknown},
            )


def _text(value: Any, path: str) -> str:
    return Reader({"": value}, path).text("")
