"""Evaluating every flag of a scope for one context: the front-end API (wire contracts, 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from ensign_engine import NO_VARIANT, CompiledFlag, Evaluation, Ruleset

from ensign.delivery.context import Context
from ensign.delivery.published import dumps
from ensign.delivery.state import State
from ensign.delivery.tokens import ALL, FRONTEND, Token

MAX_FRAGMENTS = 50_000


class Evaluator:
    """The flags of one environment that a set of projects may see, compiled, with their answers as ready bytes.

    A flag without variants has one answer when it is on. For the others the engine builds each possible answer once
    and shares it, so that its bytes can be found by its identity; holding the answer keeps the identity from being
    reused.
    """

    def __init__(self, engine: Ruleset, names: Iterable[str]) -> None:
        self._flags = [_prepared(engine, name) for name in names]
        self._fragments: dict[int, tuple[Evaluation, bytes]] = {}

    def answer(self, context: Context) -> tuple[bytes, bytes]:
        """(body, ETag) for `context`; only flags that are on are listed. The tag depends on the result alone."""
        fragments = self._fragments
        parts: list[bytes] = []
        for flag, ready in self._flags:
            if ready is not None:
                if flag.decide(context):
                    parts.append(ready)
                continue
            evaluation = flag.choose(context)
            if evaluation.enabled:
                known = fragments.get(id(evaluation))
                parts.append(self._remember(evaluation) if known is None else known[1])
        return _tagged(b'{"toggles":[' + b",".join(parts) + b"]}")

    def answer_all(self, context: Context) -> tuple[bytes, bytes]:
        """(body, ETag) with every flag, also those that are off."""
        parts = [dumps(toggle(flag.choose(context))) for flag, _ in self._flags]
        return _tagged(b'{"toggles":[' + b",".join(parts) + b"]}")

    def answer_one(self, name: str, context: Context) -> tuple[bytes, bytes] | None:
        """(body, ETag) of one flag, on or off; None where there is none of this name."""
        for flag, _ in self._flags:
            if flag.name == name:
                return _tagged(dumps(toggle(flag.choose(context))))
        return None

    def _remember(self, evaluation: Evaluation) -> bytes:
        body = dumps(toggle(evaluation))
        if len(self._fragments) >= MAX_FRAGMENTS:
            self._fragments.clear()
        self._fragments[id(evaluation)] = (evaluation, body)
        return body


def _tagged(body: bytes) -> tuple[bytes, bytes]:
    return body, b'"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"'


def _prepared(engine: Ruleset, name: str) -> tuple[CompiledFlag, bytes | None]:
    """The flag, and its answer when it is on if there can be only one."""
    definition = engine.flags[name]
    varied = definition.variants or any(strategy.variants for strategy in definition.strategies or ())
    if varied:
        return engine.compiled(name), None
    evaluation = Evaluation(name, True, True, NO_VARIANT, None, definition.impression_data)
    return engine.compiled(name), dumps(toggle(evaluation))


def toggle(evaluation: Evaluation) -> dict[str, Any]:
    """One flag as front-end SDKs read it."""
    variant = evaluation.variant
    shape: dict[str, Any] = {"name": variant.name, "enabled": variant.enabled}
    if variant.payload:
        shape["payload"] = dict(variant.payload)
    shape["feature_enabled"] = shape["featureEnabled"] = variant.feature_enabled
    return {
        "name": evaluation.name,
        "enabled": evaluation.enabled,
        "impressionData": evaluation.impression_data,
        "variant": shape,
    }


def evaluator(state: State, token: Token) -> Evaluator:
    """The evaluator for what `token` may see, built once per state."""
    key = ("frontend", token.environment, token.projects)
    found: Evaluator | None = state.memo.get(key)
    if found is None:
        found = state.memo[key] = _build(state, token.environment, token.projects)
    return found


def carry_over(old: State, new: State) -> None:
    """Compile in `new` what was asked of `old`, reusing the functions of flags that did not change."""
    for key, known in list(old.memo.items()):
        match key:
            case ("engine", str() as environment):
                if _stamp(old, environment) == _stamp(new, environment):
                    new.memo[key] = known
                else:
                    new.memo[key] = Ruleset.parse(_document(new, environment), previous=known)
    for key in list(old.memo):
        match key:
            case ("frontend", str() as environment, tuple() as projects):
                if new.memo.get(("engine", environment)) is old.memo.get(("engine", environment)):
                    new.memo[key] = old.memo[key]
                else:
                    new.memo[key] = _build(new, environment, projects)


def warm(state: State) -> None:
    """Compile what the front-end tokens can ask for. Takes about 0.2 s for 1,000 flags: not while a client waits."""
    for token in state.tokens.values():
        if token.type == FRONTEND:
            evaluator(state, token)


def _stamp(state: State, environment: str) -> list[object]:
    return [(ruleset.project, ruleset.revision) for ruleset in state.scope(None, environment)]


def _document(state: State, environment: str) -> bytes:
    rulesets = state.scope(None, environment)
    features = b",".join(feature.body for ruleset in rulesets for feature in ruleset.features)
    segments = dumps([segment for ruleset in rulesets for segment in ruleset.segments])
    return b'{"version":2,"features":[' + features + b'],"segments":' + segments + b"}"


def engine(state: State, environment: str) -> Ruleset:
    """The rules of all projects, as a parent may live in one that the token does not see; read once per state."""
    found: Ruleset | None = state.memo.get(("engine", environment))
    if found is None:
        found = state.memo["engine", environment] = Ruleset.parse(_document(state, environment))
    return found


def _build(state: State, environment: str, projects: tuple[str, ...]) -> Evaluator:
    rulesets = state.scope(None if projects == ALL else projects, environment)
    names = sorted({feature.name for ruleset in rulesets for feature in ruleset.features})
    return Evaluator(engine(state, environment), names)
