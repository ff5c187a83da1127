"""The frame of every operation, and the registry from which JSON is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

from ensign.control.changes.domain.reading import Reader, refuse
from ensign.control.changes.domain.world import Ref, World

Reach = Literal["environment", "project"]


class Operation(ABC):
    """One typed, serialisable step. Subclasses are frozen dataclasses, registered by their ``type``.

    ``reach`` says whether it has effect in one environment or in all of the project's.
    """

    __slots__ = ()

    type: ClassVar[str]
    reach: ClassVar[Reach] = "environment"

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """The members of the JSON form, without ``type``; always all of them."""

    @classmethod
    @abstractmethod
    def read(cls, reader: Reader) -> Operation:
        """The operation from the members in ``reader``."""

    @abstractmethod
    def touches(self, environment: str) -> tuple[Ref, ...]:
        """The objects that it alters when applied in ``environment``."""

    @abstractmethod
    def apply(self, world: World) -> World:
        """The state afterwards.

        :raises OperationError: naming why it cannot be applied.
        """

    @abstractmethod
    def invert(self, before: World) -> tuple[Operation, ...]:
        """What takes ``apply(before)`` back to ``before``.

        :raises OperationError: when it cannot be applied to ``before`` in the first place.
        """

    @abstractmethod
    def describe(self, before: World) -> str:
        """One sentence for a person: what goes from what to what, where."""

    def to_json(self) -> dict[str, Any]:
        """The JSON form: ``type`` and the operation's members."""
        return {"type": self.type, **self.body()}


_types: dict[str, type[Operation]] = {}
_O = TypeVar("_O", bound=type[Operation])


def operation_type(name: str) -> Callable[[_O], _O]:
    """Register a class under its frozen type name."""

    def register(cls: _O) -> _O:
        if name in _types:
            raise ValueError(f"the operation type {name} is registered twice")
        cls.type = name
        _types[name] = cls
        return cls

    return register


def operation_types() -> dict[str, type[Operation]]:
    """All operation types by name."""
    return dict(_types)


def from_json(value: Any, path: str = "operation") -> Operation:
    """Read one operation.

    :raises Invalid: naming the field that is wrong, missing or unknown.
    """
    reader = Reader(value, path)
    name = reader.text("type")
    if name not in _types:
        raise refuse(
            reader.at("type"), f"{name!r} is not an operation", remedy=f"Use one of: {', '.join(sorted(_types))}."
        )
    made = _types[name].read(reader)
    reader.end()
    return made
