"""What changed, told: sentences first, then rows, for every kind of object. Pure.

What decides who sees what (flags, segments, policies) is told in the words of the rooms where it is edited; everything
else by its members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ensign.control.audit import differences
from ensign.control.audit.history import Change
from ensign.control.changes.domain import diff, words
from ensign.control.changes.domain.world import World
from ensign.control.evidence.control_words import moments
from ensign.control.flags import words as flag_words
from ensign.control.flags.domain import FlagConfig
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases.domain import Ramp
from ensign.control.segments import words as conditions
from ensign.control.segments.domain import SegmentConfig

#: Object type -> what people call it, where that is not the type itself.
NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "break_glass": "emergency access",
        "change_request": "change request",
        "client_token": "client token",
        "client_token_rules": "rules of client tokens",
        "enforcement": "record of enforcement",
        "federation_rule": "rule for CI jobs",
        "flag_config": "flag",
        "drill_plan": "plan of a drill",
        "incident_update": "line of an incident's log",
        "kill": "kill switch",
        "kill_trigger": "address that switches a flag off",
        "release_template": "release template",
        "segment_config": "segment",
        "service_account": "service account",
        "sign_in_rules": "rules of signing in",
    }
)

State = Mapping[str, Any]
_ID = re.compile(r"\b(?:usr|grp|svc|crq|inc)_\w+")
_BRIEF = 2
_CLIP = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that differs; None means that it is not there on that side."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A difference in words. Empty rows with a sentence: everything is new, or the states are not known."""

    sentence: str
    rows: tuple[Row, ...] = ()

    def as_text(self) -> str:
        """The sentence and a line for each row, for a cell of a table."""
        lines = [f"{_sign(row)} {row.what}: {row.before or ''} → {row.after or ''}" for row in self.rows]
        return "\n".join([self.sentence, *lines])


def _sign(row: Row) -> str:
    return "+" if row.before is None else "-" if row.after is None else "~"


def noun(kind: str) -> str:
    """What people call an object of this type."""
    return NOUNS.get(kind, kind.replace("_", " "))


def name(change: Change) -> str:
    """What the object is called: its key or name, if its state is kept."""
    state = change.after or change.before or {}
    for member in ("flag", "segment", "key", "title", "name"):
        if state.get(member):
            return str(state[member])
    return ""


def tell(change: Change, names: Mapping[str, str] = MappingProxyType({})) -> Told:
    """The difference between the two states of an object; people and groups by their ``names``, where these are
    known.
    """
    found = _tell(change)
    return replace(found, rows=tuple(_read(row, names) for row in found.rows)) if found.rows else found


def _read(row: Row, names: Mapping[str, str]) -> Row:
    """The row with times and ids of people as people read them."""

    def named(found: re.Match[str]) -> str:
        return names.get(found[0], found[0])

    before, after = (None if text is None else _ID.sub(named, moments(text)) for text in (row.before, row.after))
    return Row(row.what, before, after)


def _tell(change: Change) -> Told:
    called = f"{noun(change.kind)} {name(change) or change.object.partition(':')[2] or change.object}"
    if change.after is None:
        gone = change.after_redacted_by
        why = "is kept by its digest only" if gone is None else f"was redacted, authorised by entry {gone}"
        return Told(f"The {called} changed; its new state {why}.")
    if not change.comparable:
        gone = change.before_redacted_by
        why = "is kept by its digest only" if gone is None else f"was redacted, authorised by entry {gone}"
        return Told(f"The {called} changed; its state before {why}, so that no difference can be shown.")
    special = _SPECIAL.get(change.kind)
    if special is not None:
        try:
            return special(change.before, change.after)
        except (KeyError, TypeError, ValueError, AttributeError):
            # The state was written by a version whose members this one does not read: told by its members instead.
            pass
    return _plain(called, change.before, change.after)


def brief(change: Change) -> str:
    """What changed, for one line: ``guest-checkout: rollout 30 % → 45 %``. Empty for what decides nothing.

    Only what decides who sees what is said so short; the name of everything else is enough in a list.
    """
    if change.kind not in _SPECIAL or change.after is None or not change.comparable:
        return ""
    called = name(change) or f"{noun(change.kind)} of {change.after.get('environment', '')}"
    rows = tell(change).rows
    said = [_short(row) for row in rows[:_BRIEF]]
    more = [f"and {len(rows) - _BRIEF} more"] if len(rows) > _BRIEF else []
    return f"{called}: {', '.join([*said, *more])}" if said else ""


def _short(row: Row) -> str:
    path, _, what = row.what.rpartition(" › ")
    what = f"{what} " if path else ""
    if row.before is None:
        return f"{what}added: {_clipped(row.after or '')}"
    if row.after is None:
        return f"{what}removed: {_clipped(row.before)}"
    return f"{what}{_clipped(row.before)} → {_clipped(row.after)}"


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 1].rstrip()}…"


def _plain(called: str, before: State | None, after: State) -> Told:
    if before is None:
        made = [(member.replace("_", " "), differences.show(value)) for member, value in sorted(after.items())]
        return Told(f"The {called} was made.", tuple(Row(what, None, text) for what, text in made if text))
    rows = tuple(
        Row(
            found.path.replace("_", " "),
            None if found.sign == "+" else found.before or "empty",
            None if found.sign == "-" else found.after or "empty",
        )
        for found in differences.rows(before, after)
    )
    return Told(f"The {called} changed in {len(rows)} place{'' if len(rows) == 1 else 's'}.", rows)


def _flag(before: State | None, after: State) -> Told:
    key, old, new = (
        after["flag"],
        None if before is None else FlagConfig.from_state(before),
        FlagConfig.from_state(after),
    )
    old = old or FlagConfig()
    where = f"{key} in {after['environment']}"
    rows = _rows(after, configs=({key: old}, {key: new}))
    if len(old.strategies) == len(new.strategies):
        moved = [(a, b) for a, b in zip(old.strategies, new.strategies, strict=True) if a != b]
        same = (old.enabled, old.variants, old.dependencies) == (new.enabled, new.variants, new.dependencies)
        if same and len(moved) == 1 and moved[0][0].id == moved[0][1].id:
            return Told(words.strategy_change(key, after["environment"], *moved[0]), rows)
    was, now = flag_words.config(old), flag_words.config(new)
    if was == now:
        return Told(f"{where} stays: {now}", rows)
    return Told(f"{where} was: {was} Now: {now}", rows)


def _segment(before: State | None, after: State) -> Told:
    key = after["segment"]
    old = () if before is None else SegmentConfig.from_state(before).constraints
    new = SegmentConfig.from_state(after).constraints
    sentence = (
        f"The segment {key} in {after['environment']} was: {conditions.constraints(old)}."
        f" Now: {conditions.constraints(new)}."
    )
    return Told(sentence, _rows(after, segments=({key: old}, {key: new})))


def _policy(before: State | None, after: State) -> Told:
    new = words.policy(PolicyRules.from_state(after))
    old = None if before is None else words.policy(PolicyRules.from_state(before))
    plain = _plain("policy", before, after).rows
    if old is None:
        return Told(f"The policy of {after['environment']} asks for {new}.", plain)
    return Told(f"The policy of {after['environment']} asked for {old}. Now: {new}.", plain)


def _ramp(before: State | None, after: State) -> Told:
    new = Ramp.from_state("", after)
    old = None if before is None else Ramp.from_state("", before)
    was, now = (new.initial if old is None else old.percent), new.percent
    rows = [
        Row("share", f"{was} %", f"{now} %") if was != now else None,
        Row("state", "none" if old is None else _state(old), _state(new)) if old is None or old.status != new.status
        else None,
        Row("acts for", old.owner, new.owner) if old is not None and old.owner != new.owner else None,
    ]  # fmt: skip
    where = f"{new.flag} in {new.environment}"
    sentence = f"The ramp of {where} is {_state(new)} at {now} % (step {new.reached + 1} of {len(new.steps)})."
    return Told(sentence, tuple(row for row in rows if row is not None))


def _state(ramp: Ramp) -> str:
    return ramp.status.replace("_", " ")


def _rows(
    state: State,
    *,
    configs: tuple[Mapping[str, FlagConfig], Mapping[str, FlagConfig]] = ({}, {}),
    segments: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> tuple[Row, ...]:
    sides = [
        World(project=state["project"], environment=state["environment"], configs=flags, segments=contents)
        for flags, contents in zip(configs, segments, strict=True)
    ]
    return tuple(Row(row.path, row.before, row.after) for row in diff.diff(*sides))


_SPECIAL: Mapping[str, Callable[[State | None, State], Told]] = MappingProxyType(
    {"flag_config": _flag, "segment_config": _segment, "policy": _policy, "ramp": _ramp}
)
