"""Evaluating flags for OFREP: every flag of a scope, on or off, as ready bytes (docs/reference/ofrep.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ensign_engine import CompiledFlag, Evaluation, Ruleset
from ensign_engine.plans import FlagPlan

from ensign.delivery import frontend
from ensign.delivery.context import Context
from ensign.delivery.ofrep_reasons import MATCH, constant, overridden, reasons
from ensign.delivery.ofrep_values import Shape, Unreadable, shape
from ensign.delivery.published import dumps
from ensign.delivery.state import State
from ensign.delivery.tokens import ALL, Token

ON, OFF = "enabled", "disabled"


class Answer(NamedTuple):
    """One flag's answer: the JSON, and whether it is a failure."""

    body: bytes
    failed: bool = False


class Plain:
    """A flag without variants: its value is whether it is on. `ready` holds the answer of each outcome code."""

    def __init__(self, flag: CompiledFlag, plan: FlagPlan) -> None:
        self.flag = flag
        self.constant = constant(plan)
        self.ready = tuple(
            Answer(dumps({"key": flag.name, "reason": reason, "value": code > 0, "variant": ON if code else OFF}))
            for code, reason in enumerate(reasons(plan))
        )
        self.bodies = tuple(answer.body for answer in self.ready)

    def answer(self, _context: Context, evaluation: Evaluation) -> Answer:
        """The answer that stands for what the engine said."""
        return self.ready[_code(evaluation)]


class Varied:
    """A flag with variants.

    The engine builds each possible evaluation once and shares it, so that its answer can be found by its identity;
    holding the evaluation keeps the identity from being reused.
    """

    def __init__(self, flag: CompiledFlag, plan: FlagPlan, shape: Shape) -> None:
        self.flag = flag
        self.constant = constant(plan)
        self._shape = shape
        self._reasons = reasons(plan)
        self._named = {
            code: found for code in range(1, len(self._reasons)) if (found := overridden(plan, code)) is not None
        }
        self._settings = plan.settings
        self._kept: dict[tuple[int, bool], tuple[Evaluation, Answer]] = {}
        self.bodies: dict[int, bytes] = {}
        """What is known by the evaluation alone, by its identity; for the hot path."""

    def answer(self, context: Context, evaluation: Evaluation) -> Answer:
        """The answer that stands for what the engine said."""
        named = bool(self._named) and evaluation.enabled and self._is_named(context, _code(evaluation))
        kept = self._kept.get((id(evaluation), named))
        if kept is None:
            kept = self._kept[id(evaluation), named] = (evaluation, self._build(evaluation, named=named))
            if not self._named:
                self.bodies[id(evaluation)] = kept[1].body
        return kept[1]

    def _is_named(self, context: Context, code: int) -> bool:
        variants = self._named.get(code)
        return variants is not None and any(
            self._settings.value(context, name) in values for name, values, _ in variants.overrides
        )

    def _build(self, evaluation: Evaluation, *, named: bool) -> Answer:
        name, variant = evaluation.name, evaluation.variant
        reason = MATCH if named else self._reasons[_code(evaluation)]
        said = variant.name if variant.enabled else ON if evaluation.enabled else OFF
        try:
            value = self._shape.value(variant.name, variant.payload) if variant.enabled else None
        except Unreadable as problem:
            return Answer(failure("PARSE_ERROR", str(problem), key=name), failed=True)
        head = dumps({"key": name, "reason": reason})[:-1]
        middle = b"" if value is None else b',"value":' + value
        tail = dumps({"variant": said, "metadata": {"enabled": evaluation.enabled}})[1:]
        return Answer(head + middle + b"," + tail)


Prepared = Plain | Varied


class Evaluator:
    """The flags of one environment that a set of projects may see. `flags` finds each by its key.

    In the bulk answer flags come in three groups: those with one answer for everybody, joined once; those without
    variants; those with. Within a group they are sorted by key.
    """

    def __init__(self, environment: str, engine: Ruleset, names: Iterable[str], known: Evaluator | None = None) -> None:
        before = {} if known is None else known.flags
        self.flags: dict[str, Prepared] = {name: _prepared(engine, name, before.get(name)) for name in names}
        static: list[bytes] = []
        self._plain: list[tuple[Callable[[Context], int], tuple[bytes, ...]]] = []
        self._varied: list[tuple[Callable[[Context], Evaluation], dict[int, bytes], Varied]] = []
        for prepared in self.flags.values():
            flag = prepared.flag
            if prepared.constant:
                static.append(prepared.answer({}, flag.choose({})).body)
            elif isinstance(prepared, Plain):
                self._plain.append((flag.decide, prepared.bodies))
            else:
                self._varied.append((flag.choose, prepared.bodies, prepared))
        self._static = [b",".join(static)] if static else []
        self.metadata = dumps({"flagSetId": environment})

    def bulk(self, context: Context) -> bytes:
        """The items of all flags for `context`, separated by commas."""
        parts = [*self._static]
        parts += [bodies[decide(context)] for decide, bodies in self._plain]
        for choose, known, varied in self._varied:
            evaluation = choose(context)
            body = known.get(id(evaluation))
            parts.append(varied.answer(context, evaluation).body if body is None else body)
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
    return Evaluator(environment, engine, names, known)


def _prepared(engine: Ruleset, name: str, known: Prepared | None) -> Prepared:
    flag = engine.compiled(name)
    if known is not None and known.flag is flag:
        return known
    assert flag.plan is not None
    found = shape(flag.plan.definition)
    return Plain(flag, flag.plan) if found is None else Varied(flag, flag.plan, found)


def _code(evaluation: Evaluation) -> int:
    """The outcome code of `decide` that led to the evaluation."""
    if not evaluation.enabled:
        return 0
    return 1 if evaluation.strategy is None else evaluation.strategy + 1
