"""The difference of two states as rows of words. Empty exactly when the states are equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ensign_ledger import canonical

from ensign.control.changes.domain import words
from ensign.control.changes.domain.content import dependency_state
from ensign.control.changes.domain.world import World
from ensign.control.flags.domain import Constraint, FlagConfig, FlagInfo, Strategy, Variant
from ensign.control.projects import policy_words
from ensign.control.projects.domain import PolicyRules


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that differs: where, in words, and both sides; None where a side lacks it."""

    path: str
    before: str | None
    after: str | None


def keyed(rows: Iterable[Row]) -> tuple[tuple[str, Row], ...]:
    """Each row with a name of its own: its path, and from the second with the same path on which one it is."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        seen[row.path] = seen.get(row.path, 0) + 1
        found.append((row.path if seen[row.path] == 1 else f"{row.path} ({seen[row.path]})", row))
    return tuple(found)


def diff(before: World, after: World) -> tuple[Row, ...]:
    """All rows, ordered by object and then as the object is read from top to bottom."""
    rows: list[Row] = []
    for key in sorted({*before.flags, *after.flags}):
        rows += _info(key, before.flags.get(key), after.flags.get(key))
    for key in sorted({*before.configs, *after.configs}):
        where = f"{key} in {after.environment}"
        rows += _config(where, before.configs.get(key), after.configs.get(key))
    for key in sorted({*before.segments, *after.segments}):
        where = f"segment {key} in {after.environment}"
        rows += _segment(where, before.segments.get(key), after.segments.get(key))
    for key in sorted({*before.segments, *after.segments, *before.mapped, *after.mapped}):
        rows += _row(f"segment {key}: environment-mapped", _yes(key in before.mapped), _yes(key in after.mapped))
    rows += _policy(f"policy of {after.environment}", before.policy, after.policy)
    rows += _row(f"{after.environment}: protected", _yes(before.protected), _yes(after.protected))
    return tuple(rows)


def _policy(where: str, old: PolicyRules | None, new: PolicyRules | None) -> list[Row]:
    """One row for each member that differs."""
    if old is None or new is None:
        sides = [None if side is None else words.policy(side) for side in (old, new)]
        return _row(where, sides[0], sides[1])
    told = [Row(f"{where} › {label}", was, now) for label, was, now in policy_words.rows(old, new)]
    # Where their words are the same, the exact forms stand instead: a difference is never hidden.
    exact = (_shown(old.to_state()), _shown(new.to_state()))
    return [Row(row.path, *exact) if row.before == row.after else row for row in told]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _row(path: str, before: str | None, after: str | None) -> list[Row]:
    return [] if before == after else [Row(path, before, after)]


def _told(path: str, before: str | None, after: str | None, old: object, new: object) -> Row:
    """A row for two values known to differ: where their words are the same, their exact forms stand instead."""
    if before == after and before is not None:
        return Row(path, repr(old), repr(new))
    return Row(path, before, after)


def _info(key: str, old: FlagInfo | None, new: FlagInfo | None) -> list[Row]:
    if old is None or new is None:
        return _row(f"flag {key}", None if old is None else "exists", None if new is None else "exists")
    rows: list[Row] = []
    before, after = old.to_state(), new.to_state()
    for name in before:
        rows += _row(f"{key}: {name.replace('_', ' ')}", _shown(before[name]), _shown(after[name]))
    return rows


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return _yes(value)
    return value if isinstance(value, str) else canonical.encode(value, free_keys=True).decode()


def _config(where: str, old: FlagConfig | None, new: FlagConfig | None) -> list[Row]:
    old, new = old or FlagConfig(), new or FlagConfig()
    rows = _row(where, "on" if old.enabled else "off", "on" if new.enabled else "off")
    rows += _strategies(where, old.strategies, new.strategies)
    rows += _variants(where, old.variants, new.variants)
    sides = [{d.flag: d for d in config.dependencies} for config in (old, new)]
    for parent in sorted({*sides[0], *sides[1]}):
        before, after = sides[0].get(parent), sides[1].get(parent)
        if before != after:
            told = [None if side is None else words.dependency(side) for side in (before, after)]
            rows.append(_told(f"{where} › depends on", told[0], told[1], before, after))
    if not any("› depends on" in row.path for row in rows) and old.dependencies != new.dependencies:
        exact = [[dependency_state(d) for d in config.dependencies] for config in (old, new)]
        rows.append(Row(f"{where} › order of dependencies", _shown(exact[0]), _shown(exact[1])))
    return rows


def _strategies(where: str, old: Sequence[Strategy], new: Sequence[Strategy]) -> list[Row]:
    before, after = {s.id: s for s in old}, {s.id: s for s in new}
    rows: list[Row] = []
    for place, strategy in enumerate(old, start=1):
        path = f"{where} › strategy {place} {words.strategy_name(strategy)}"
        match = after.get(strategy.id)
        rows += (
            [Row(path, words.strategy_clause(strategy), None)] if match is None else _strategy(path, strategy, match)
        )
    for place, strategy in enumerate(new, start=1):
        if strategy.id not in before:
            path = f"{where} › strategy {place} {words.strategy_name(strategy)}"
            rows.append(Row(path, None, words.strategy_clause(strategy)))
    orders = [[s.id for s in side if s.id in before and s.id in after] for side in (old, new)]
    if orders[0] != orders[1]:
        names = [
            ", ".join(words.strategy_name(known[id_]) for id_ in order)
            for order, known in zip(orders, (before, after), strict=True)
        ]
        rows.append(_told(f"{where} › order of strategies", names[0], names[1], orders[0], orders[1]))
    if not rows and list(old) != list(new):
        rows.append(
            Row(f"{where} › strategies", _shown([s.to_state() for s in old]), _shown([s.to_state() for s in new]))
        )
    return rows


_LABELS = {"rollout": "rollout", "percentage": "rollout", "stickiness": "by", "groupId": "group"}


def _strategy(path: str, old: Strategy, new: Strategy) -> list[Row]:
    rows = _row(f"{path} › type", old.name, new.name) + _row(f"{path} › title", old.title, new.title)
    for key in sorted({*old.parameters, *new.parameters}):
        sides = [side.parameters.get(key) for side in (old, new)]
        if key in {"rollout", "percentage"}:
            sides = [None if side is None else words.per_cent(side) if side else side for side in sides]
        rows += _row(f"{path} › {_LABELS.get(key, key)}", sides[0], sides[1])
    rows += _constraints(path, old.constraints, new.constraints)
    rows += _segments(path, old.segments, new.segments)
    rows += _variants(path, old.variants, new.variants)
    rows += _row(f"{path} › enabled", _yes(not old.disabled), _yes(not new.disabled))
    return rows


def _constraints(path: str, old: Sequence[Constraint], new: Sequence[Constraint]) -> list[Row]:
    if list(old) == list(new):
        return []
    rows: list[Row] = []
    removed = [c for c in old if c not in new]
    added = [c for c in new if c not in old]
    for gone in removed:
        match = next((c for c in added if (c.context_name, c.operator) == (gone.context_name, gone.operator)), None)
        if match is not None:
            added.remove(match)
            rows.append(_told(f"{path} › where", words.constraint(gone), words.constraint(match), gone, match))
        else:
            rows.append(Row(f"{path} › where", words.constraint(gone), None))
    rows += [Row(f"{path} › where", None, words.constraint(c)) for c in added]
    if not rows:
        rows.append(Row(f"{path} › order of constraints", words.rules(old), words.rules(new)))
    return rows


def _segments(path: str, old: Sequence[str], new: Sequence[str]) -> list[Row]:
    rows = [Row(f"{path} › segment", key, None) for key in old if key not in new]
    rows += [Row(f"{path} › segment", None, key) for key in new if key not in old]
    if not rows and list(old) != list(new):
        rows.append(Row(f"{path} › order of segments", ", ".join(old), ", ".join(new)))
    return rows


def _segment(where: str, old: tuple[Constraint, ...] | None, new: tuple[Constraint, ...] | None) -> list[Row]:
    if old is None or new is None:
        sides = [None if side is None else words.rules(side) for side in (old, new)]
        return _row(where, sides[0], sides[1])
    return _constraints(where, old, new)


def _variants(path: str, old: Sequence[Variant], new: Sequence[Variant]) -> list[Row]:
    if list(old) == list(new):
        return []
    rows: list[Row] = []
    before, after = _by_name(old), _by_name(new)
    for name in [*before, *(name for name in after if name not in before)]:
        left, right = before.get(name), after.get(name)
        if left != right:
            sides = [None if side is None else _variant(side) for side in (left, right)]
            rows.append(_told(f"{path} › variant {name}", sides[0], sides[1], left, right))
    if not rows:
        rows.append(Row(f"{path} › variants", _shown([v.to_state() for v in old]), _shown([v.to_state() for v in new])))
    return rows


def _by_name(values: Iterable[Variant]) -> Mapping[str, Variant]:
    return {variant.name: variant for variant in values}


def _variant(value: Variant) -> str:
    said = [words.weight(value.weight) + (" (fixed)" if value.weight_type == "fix" else "")]
    if value.stickiness != "default":
        said.append(f"by {value.stickiness}")
    if value.payload is not None:
        said.append(f"{value.payload.type}: {value.payload.value}")
    said += [f"always for {o.context_name} {words.listing(o.values)}" for o in value.overrides]
    return ", ".join(said)
