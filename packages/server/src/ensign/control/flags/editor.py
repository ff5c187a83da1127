"""What the strategy editor shows: from a stored strategy, or from what somebody typed and has to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ensign.control.flags import strategies as types
from ensign.control.flags.domain import FlagConfig, Strategy, Variant
from ensign.control.flags.words import weight
from ensign.control.segments.editor import ConditionRow, Errors, Take, condition_rows, conditions
from ensign.control.segments.forms import numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """One variant's fields as texts."""

    n: int
    name: str = ""
    percent: str = ""
    payload_type: str = ""
    payload_value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRow:
    """One parameter of the strategy's type."""

    parameter: types.Parameter
    value: str
    error: str = ""

    @property
    def name(self) -> str:
        """The form field's name."""
        return f"param-{self.parameter.name}"

    @property
    def number(self) -> int:
        """A percentage as a number, 0 while it is none."""
        return int(self.value) if self.value.isascii() and self.value.isdigit() and len(self.value) < 4 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """The whole form. ``errors`` are those that belong to no row; ``drafted`` says that a draft holds it like this."""

    strategy: str
    type: types.StrategyType
    title: str = ""
    disabled: bool = False
    parameters: Sequence[ParameterRow] = ()
    conditions: Sequence[ConditionRow] = ()
    segments: frozenset[str] = frozenset()
    variants: Sequence[VariantRow] = ()
    errors: Sequence[str] = field(default=())
    drafted: bool = False

    @property
    def operation(self) -> str:
        """What posting it does, in the words of changes."""
        return "strategy.update" if self.strategy else "strategy.add"


def variants(given: Sequence[Variant]) -> list[VariantRow]:
    """Stored variants as rows; those of variable weight show no share, as they take what is left."""
    return [
        VariantRow(
            n=n,
            name=v.name,
            percent=weight(v.weight).removesuffix(" %") if v.weight_type == "fix" else "",
            payload_type=v.payload.type if v.payload else "",
            payload_value=v.payload.value if v.payload else "",
        )
        for n, v in enumerate(given)
    ]


def stored(strategy: Strategy, *, drafted: bool = False) -> Editor:
    """The editor of a strategy as it stands, or as the reader's draft would leave it (``drafted``)."""
    kind = types.TYPES.get(strategy.name) or types.TYPES["default"]
    return Editor(
        strategy=strategy.id,
        type=kind,
        title=strategy.title,
        disabled=strategy.disabled,
        parameters=[ParameterRow(parameter=p, value=strategy.parameters.get(p.name, "")) for p in kind.parameters],
        conditions=conditions(strategy.constraints),
        segments=frozenset(strategy.segments),
        variants=variants(strategy.variants),
        drafted=drafted,
    )


def fresh(name: str, *, flag: str, stickiness: str) -> Editor:
    """The editor of a new strategy. A rollout begins at 0 %: whoever means everybody says so."""
    kind = types.TYPES.get(name) or types.TYPES["flexibleRollout"]
    given = {"percentage": "0", "stickiness": stickiness, "group": flag}
    rows = [ParameterRow(parameter=p, value=given.get(p.kind, "")) for p in kind.parameters]
    return Editor(strategy="", type=kind, parameters=rows)


def typed(
    posted: Mapping[str, str], *, segments: Sequence[str], errors: Mapping[str, str] | None = None, act: str = ""
) -> Editor:
    """The editor as somebody filled it in. ``errors`` are by path, as ``validation`` names them.

    ``act`` reshapes it: ``add-constraint``, ``remove-constraint-<n>``, ``add-variant``, ``remove-variant-<n>``.
    """
    left = Errors(errors or {}, strategy=_index(errors or {}))
    kind = types.TYPES.get(posted.get("name", "")) or types.TYPES["flexibleRollout"]
    parameters = [
        ParameterRow(parameter=p, value=posted.get(f"param-{p.name}", ""), error=left.take(f"parameters.{p.name}"))
        for p in kind.parameters
    ]
    rows = condition_rows(posted, act=act, take=left.take)
    shares = variant_rows(posted, act=act, take=left.take)
    return Editor(
        strategy=posted.get("strategy", ""),
        type=kind,
        title=posted.get("title", ""),
        disabled="disabled" in posted,
        parameters=parameters,
        conditions=rows,
        segments=frozenset(segments),
        variants=shares,
        errors=tuple(left.rest()),
    )


def _index(errors: Mapping[str, str]) -> str:
    """``strategies[2].`` when the errors are of that strategy."""
    first = next((path for path in errors if path.startswith("strategies[") and "]." in path), "")
    return first[: first.index("].") + 2] if first else ""


def variant_rows(posted: Mapping[str, str], *, act: str = "", take: Take = None) -> list[VariantRow]:
    """Posted variants as rows, reshaped by ``act``; ``take(path)`` gives the messages of a row."""
    rows, place = [], 0
    for n in numbers(posted, "variant"):
        if act == f"remove-variant-{n}":
            continue
        name = posted.get(f"variant-{n}-name", "")
        rows.append(
            VariantRow(
                n=n,
                name=name,
                percent=posted.get(f"variant-{n}-percent", ""),
                payload_type=posted.get(f"variant-{n}-payload_type", ""),
                payload_value=posted.get(f"variant-{n}-payload_value", ""),
                error=take(f"variants[{place}]") if take is not None and name.strip() else "",
            )
        )
        place += bool(name.strip())
    if act == "add-variant":
        rows.append(VariantRow(n=1 + max((row.n for row in rows), default=-1)))
    return rows


def strategy_of(config: FlagConfig, id: str) -> Strategy | None:
    """The strategy with this id, or None."""
    return next((s for s in config.strategies if s.id == id), None)
