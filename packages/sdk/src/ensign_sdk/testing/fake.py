"""A client for tests: real evaluation of rules that the test sets, and a record of what was asked."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self, TypeVar

from ensign_engine import CompiledFlag, Evaluation, Ruleset, Variant

from ensign_sdk._internal.observed import ObservedTable, Table
from ensign_sdk.client import Client
from ensign_sdk.config import CustomStrategy
from ensign_sdk.testing.rules import Flags, Meaning, document
from ensign_sdk.types import Context, Fallback, FlagHandle, Impression, VariantFallback

Function = TypeVar("Function", bound=Callable[..., Any])


class UnknownFlagError(AssertionError):
    """Strict: the code under test asks for a flag that the test did not set."""


class Asked(NamedTuple):
    """One question that the code under test asked. `variant` is None when only on or off was asked for."""

    kind: Literal["isEnabled", "getVariant"]
    flag: str
    context: Context
    enabled: bool
    variant: str | None


class FakeClient(Client):
    """Takes the place of a `Client` in tests: same methods, no network, no threads, no files.

    >>> fake = FakeClient({"menu": True, "colour": "red"})
    >>> with fake.flags({"menu": False}):
    ...     fake.is_enabled("menu")
    False
    >>> fake.is_enabled("menu"), fake.get_variant("colour").name, [one.flag for one in fake.asked]
    (True, 'red', ['menu', 'menu', 'colour'])

    `strict`: asking for a flag that was not set raises UnknownFlagError. `asked` may be cleared.
    """

    asked: list[Asked]

    def __init__(
        self,
        flags: Flags | None = None,
        *,
        strict: bool = False,
        app_name: str = "testing",
        environment: str | None = None,
        custom_strategies: Mapping[str, CustomStrategy] | None = None,
        on_impression: Callable[[Impression], object] | None = None,
    ) -> None:
        """Raises TypeError for a flag whose meaning cannot be told."""
        self.asked = []
        self.strict = strict
        self._meanings: dict[str, Meaning] = dict(flags or {})
        static = {"appName": app_name, "environment": environment}
        begun = Ruleset.empty(static_context=static, custom_strategies=dict(custom_strategies or {}))
        self._prepare(begun, on_impression, None)
        self._config = None
        self._settled.set()
        self._renew()

    @classmethod
    def offline(cls, *_: Any, **__: Any) -> Self:
        """Not for a fake: `FakeClient(flags)`, or `Client.offline(document(flags))`. Raises TypeError."""
        raise TypeError("make a FakeClient with its flags, or a Client with Client.offline(document(flags))")

    def set(self, name: str, meaning: Meaning) -> None:
        """Set one flag; handles that the code under test holds follow. Raises TypeError."""
        document({name: meaning})
        self._meanings[name] = meaning
        self._renew()

    def remove(self, name: str) -> None:
        """Forget one flag, so that it is unknown."""
        self._meanings.pop(name, None)
        self._renew()

    def flags(self, flags: Flags | None = None, **more: Meaning) -> "Overriding":
        """Set flags for a `with` block, or for a function (also an async one) that this decorates."""
        return Overriding(self, {**(flags or {}), **more})

    def is_enabled(self, name: str, context: Context | None = None, default: bool | Fallback = False) -> bool:
        """As `Client.is_enabled`. Raises UnknownFlagError when strict."""
        self._known(name)
        return super().is_enabled(name, context, default)

    def get_variant(
        self, name: str, context: Context | None = None, default: Variant | VariantFallback | None = None
    ) -> Variant:
        """As `Client.get_variant`. Raises UnknownFlagError when strict."""
        self._known(name)
        return super().get_variant(name, context, default)

    def flag(self, name: str, default: bool | Fallback = False) -> FlagHandle:
        """As `Client.flag`. Raises UnknownFlagError when strict: set the flag before the handle is made."""
        self._known(name)
        return super().flag(name, default)

    def _known(self, name: str) -> None:
        if self.strict and name not in self._meanings:
            known = ", ".join(sorted(self._meanings)) or "none"
            raise UnknownFlagError(f"the flag {name!r} is not set in this test (set: {known})")

    def _renew(self) -> None:
        self._store.put(Ruleset.parse(document(self._meanings), previous=self._store.ruleset), "offline")

    def _swapped(self, ruleset: Ruleset) -> None:
        table: Table = RecordingTable(ruleset.table, self.asked.append)
        if self._listener is not None:
            table = ObservedTable(table, self._listener)
        self._exchanged(table)


class Overriding:
    """Flags for the length of a `with` block or a call; may be nested and used again."""

    def __init__(self, fake: FakeClient, flags: Flags) -> None:
        document(flags)
        self._fake = fake
        self._flags = flags
        self._before: list[dict[str, Meaning]] = []

    def __enter__(self) -> FakeClient:
        self._before.append(dict(self._fake._meanings))
        self._fake._meanings.update(self._flags)
        self._fake._renew()
        return self._fake

    def __exit__(self, *_: object) -> None:
        self._fake._meanings = self._before.pop()
        self._fake._renew()

    def __call__(self, function: Function) -> Function:
        """`function` with the flags set while it runs."""
        chosen: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaiting(*arguments: Any, **options: Any) -> Any:
                with self:
                    return await function(*arguments, **options)

            chosen = awaiting
        else:

            @functools.wraps(function)
            def calling(*arguments: Any, **options: Any) -> Any:
                with self:
                    return function(*arguments, **options)

            chosen = calling
        result: Function = chosen
        return result


class RecordingFlag:
    """A compiled flag whose two functions also record that they were asked."""

    def __init__(self, flag: CompiledFlag, record: Callable[[Asked], object]) -> None:
        decide, choose, name = flag.decide, flag.choose, flag.name

        def recorded_decide(context: Any) -> int:
            code = decide(context)
            record(Asked("isEnabled", name, context, code != 0, None))
            return code

        def recorded_choose(context: Any) -> Evaluation:
            answer = choose(context)
            record(Asked("getVariant", name, context, answer.enabled, answer.variant.name))
            return answer

        self.compiled, self.name, self.plan = flag, name, flag.plan
        self.decide, self.choose = recorded_decide, recorded_choose
        self.counts, self.variant_counts = flag.counts, flag.variant_counts
        self.found, self.impression_data = flag.found, flag.impression_data


class RecordingTable(dict[str, Any]):
    """Wraps an engine's table, flag by flag at each use."""

    def __init__(self, flags: Mapping[str, CompiledFlag], record: Callable[[Asked], object]) -> None:
        super().__init__()
        self._flags = flags
        self._record = record

    def __missing__(self, name: str) -> Any:
        flag = RecordingFlag(self._flags[name], self._record)
        return self.setdefault(name, flag) if flag.found else flag
