"""What operations work on: the part of one project and environment that a change set can reach, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ensign.control.flags.domain import Constraint, FlagConfig, FlagInfo
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.domain import PolicyRules


class OperationError(Invalid):
    """An operation cannot be applied to the state as it is; the message says why, ``index`` which one it is."""

    code = "operation-refused"

    def __init__(self, message: str, *, remedy: str = "", index: int | None = None) -> None:
        fields = {} if index is None else {f"operations[{index}]": message}
        super().__init__(message, remedy=remedy, fields=fields)
        self.index = index


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names one governed object: ``kind`` is ``flag|config|segment|policy|environment``, ``key`` its key. A segment's
    content has an environment; without one it is what all environments share of the segment.

    ``environment`` is empty for what all environments share. As text (:attr:`name`) it stands in base versions.
    """

    kind: str
    environment: str
    key: str

    @property
    def name(self) -> str:
        """``config:production/new-checkout``, ``flag:/new-checkout``, ``policy:production/``."""
        return f"{self.kind}:{self.environment}/{self.key}"

    @staticmethod
    def parse(name: str) -> Ref:
        """The inverse of :attr:`name`."""
        kind, _, rest = name.partition(":")
        environment, _, key = rest.partition("/")
        return Ref(kind, environment, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Values of the objects that a change set touches or references.

    ``configs``, ``segments`` (constraints by segment key), ``policy`` and ``protected`` are those of ``environment``;
    ``flags`` and ``mapped`` (the segments that are environment-mapped) are shared by all environments. Every flag has a
    config: where it was never configured, the empty one that is off.
    """

    project: str
    environment: str
    flags: Mapping[str, FlagInfo] = field(default_factory=dict)
    configs: Mapping[str, FlagConfig] = field(default_factory=dict)
    segments: Mapping[str, tuple[Constraint, ...]] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()
    policy: PolicyRules | None = None
    protected: bool = False

    def info(self, flag: str) -> FlagInfo:
        """What all environments share of ``flag``.

        :raises OperationError: when there is no such flag.
        """
        try:
            return self.flags[flag]
        except KeyError:
            raise OperationError(
                f"There is no flag {flag} in {self.project}.", remedy="Check the key; create the flag first."
            ) from None

    def live(self, flag: str) -> FlagConfig:
        """The content of ``flag`` here.

        :raises OperationError: when there is no such flag, or it is archived.
        """
        if self.info(flag).archived:
            raise OperationError(f"{flag} is archived.", remedy="Revive it first.")
        return self.configs[flag]

    def with_config(self, flag: str, config: FlagConfig) -> World:
        """The same with another content of ``flag``."""
        return replace(self, configs={**self.configs, flag: config})

    def with_info(self, info: FlagInfo) -> World:
        """The same with other shared facts of one flag."""
        return replace(self, flags={**self.flags, info.key: info})

    def constraints(self, segment: str) -> tuple[Constraint, ...]:
        """The content of ``segment`` here.

        :raises OperationError: when there is no such segment.
        """
        try:
            return self.segments[segment]
        except KeyError:
            raise OperationError(
                f"There is no segment {segment} in {self.project}.", remedy="Check the key; create the segment first."
            ) from None
