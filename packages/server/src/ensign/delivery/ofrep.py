"""Evaluating flags for OFREP: every flag of a scope, on or off, as ready bytes (docs/reference/ofrep.md).

What a flag is worth and why, `ensign_engine.openfeature` says, as it does for the provider in the process. Here stands
how OFREP writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ensign_engine import Evaluation, Ruleset, Variant
from ensign_engine.openfeature import Mapped, Reason, Resolution

from ensign.delivery import frontend
from ensign.delivery.context import Context
from ensign.delivery.published import dumps
from ensign.delivery.state import State
from ensign.delivery.tokens import ALL, Token

REASONS: Mapping[Reason, str] = {"DEFAULT": "TARGETING_MATCH"}
"""The reason that the protocol's list lacks. A flag that is off for a context is so because it was evaluated."""


class Answer(NamedTuple):
    """One flag's answer: the JSON, and whether it is a failure."""

    body: bytes
    failed: bool = False


class Plain:
    """A flag without variants: its value is whether it is on. `bodies` holds the answer of each outcome code."""

    def __init__(self, mapped: Mapped) -> None:
        self.flag = mapped.flag
        self.fixed = mapped.fixed
        self.bodies = tuple(_success(self.flag.name, found, dumps(found.value)) for found in mapped.booleans())

    def answer(self, evaluation: Evaluation) -> Answer:
        """The answer that stands for what the engine said."""
        return Answer(self.bodies[(evaluation.strategy or 0) + 1 if evaluation.enabled else 0])


class Varied:
    """A flag with variants.

    The engine builds each possible evaluation once and shares it, so that its answer can be found by its identity;
    holding the evaluation keeps the identity from being reused.
    """

    def __init__(self, mapped: Mapped) -> None:
        self.flag = mapped.flag
        self.fixed = mapped.fixed
        self._mapped = mapped
        self._kept: dict[int, tuple[Evaluation, Answer]] = {}
        self.bodies: dict[int, bytes] = {}
        """What is known already, by the identity of the evaluation; for the hot path."""

    def answer(self, evaluation: Evaluation) -> Answer:
        """The answer that stands for what the engine said."""
        kept = self._kept.get(id(evaluation))
        if kept is None:
            kept = self._kept[id(evaluation)] = (evaluation, self._build(evaluation))
            self.bodies[id(evaluation)] = kept[1].body
        return kept[1]

    def _build(self, evaluation: Evaluation) -> Answer:
        found = self._mapped.resolution(evaluation)
        if found.error is not None:
            return Answer(failure(found.error, found.message, key=self.flag.name), failed=True)
        value = None if found.value is None else self._written(found.value, evaluation.variant)
        return Answer(_success(self.flag.name, found, value, {"enabled": evaluation.enabled}))

    def _written(self, value: object, variant: Variant) -> bytes:
        """JSON as it was written, so that no digit of a number inside is lost; a lone surrogate as its escape."""
        if self._mapped.kind != "object" or variant.payload is None:
            return dumps(value)
        return str(variant.payload["value"]).strip().encode("utf-8", "backslashreplace")


def _success(key: str, found: Resolution, value: bytes | None, metadata: Mapping[str, bool] | None = None) -> bytes:
    head = dumps({"key": key, "reason": REASONS.get(found.reason, found.reason)})[:-1]
    middle = b"" if value is None else b',"value":' + value
    said = {"variant": found.variant}
    return head + middle + b"," + dumps(said if metadata is None else {**said, "metadata": metadata})[1:]


Prepared = Plain | Varied


class Evaluator:
    """The flags of one environment that a set of projects may see. `flags` finds each by its key.

    In the bulk answer flags come in three groups: those with one answer for everybody, joined once; those without
    variants; those with. Within a group they are sorted by key. `metadata` is the JSON for the answer as a whole.
    """

    def __init__(
        self, engine: Ruleset, names: Iterable[str], *, metadata: Mapping[str, str], known: Evaluator | None = None
    ) -> None:
        before = {} if known is None else known.flags
        self.flags: dict[str, Prepared] = {name: _prepared(engine, name, before.get(name)) for name in names}
        static: list[bytes] = []
        self._plain: list[tuple[Callable[[Context], int], tuple[bytes, ...]]] = []
        self._varied: list[tuple[Callable[[Context], Evaluation], dict[int, bytes], Varied]] = []
        for prepared in self.flags.values():
            flag = prepared.flag
            if prepared.fixed:
                static.append(prepared.answer(flag.choose({})).body)
            elif isinstance(prepared, Plain):
                self._plain.append((flag.decide, prepared.bodies))
            else:
                self._varied.append((flag.choose, prepared.bodies, prepared))
        self._static = [b",".join(static)] if static else []
        self.metadata = dumps(metadata)

    def bulk(self, context: Context) -> bytes:
        """The items of all flags for `context`, separated by commas."""
        parts = [*self._static]
        parts += [bodies[decide(context)] for decide, bodies in self._plain]
        for choose, known, varied in self._varied:
            evaluation = choose(context)
            body = known.get(id(evaluation))
            parts.append(varied.answer(evaluation).body if body is None else body)
        return b",".join(parts)


def failure(code: str, details: str, *, key: str | None = None) -> bytes:
    """An error as OFREP shapes it: real clients read all three, and `key` tells one flag's failure from a bulk one."""
    body = {"errorCode": code, "errorDetails": details}
    return dumps(body if key is None else {"key": key, **body})


def evaluator(state: State, token: Token) -> Evaluator:
    """The evaluator for what `token` may see, built once per state; compiling 1,000 flags takes about 0.3 s."""
    found = ready(state, token)
    if found is None:
        found = state.memo[_key(token)] = _build(state, token.environment, token.projects)
    return found


def ready(state: State, token: Token) -> Evaluator | None:
    """The same if it is built already."""
    found: Evaluator | None = state.memo.get(_key(token))
    return found


def carry_over(old: State, new: State) -> None:
    """Prepare in `new` what was asked of `old`; answers of flags that did not change move. After `frontend`'s."""
    for key, known in list(old.memo.items()):
        match key:
            case ("ofrep", str() as environment, tuple() as projects):
                if new.memo.get(("engine", environment)) is old.memo.get(("engine", environment)):
                    new.memo[key] = known
                else:
                    new.memo[key] = _build(new, environment, projects, known)


def _key(token: Token) -> tuple[str, str, tuple[str, ...]]:
    return ("ofrep", token.environment, token.projects)


def _build(state: State, environment: str, projects: tuple[str, ...], known: Evaluator | None = None) -> Evaluator:
    engine = frontend.engine(state, environment)
    rulesets = state.scope(None if projects == ALL else projects, environment)
    names = sorted({feature.name for ruleset in rulesets for feature in ruleset.features})
    metadata = {"environment": environment}
    if projects != ALL and len(projects) == 1:
        metadata = {"flagSetId": projects[0], **metadata}
    return Evaluator(engine, names, metadata=metadata, known=known)


def _prepared(engine: Ruleset, name: str, known: Prepared | None) -> Prepared:
    flag = engine.compiled(name)
    if known is not None and known.flag is flag:
        return known
    mapped = Mapped(flag)
    return Plain(mapped) if mapped.kind == "boolean" else Varied(mapped)
