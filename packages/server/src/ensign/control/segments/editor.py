"""What the editor of conditions shows: stored ones, or what somebody typed and has to correct."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ensign.control.segments.domain import Constraint
from ensign.control.segments.forms import numbers
from ensign.control.segments.words import OPERATORS, values

#: Gives the messages of a row by its path and takes them off the list.
Take = Callable[[str], str] | None

#: Fields that the editor suggests; any other may be written.
FIELDS = ("userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime", "country", "appVersion")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRow:
    """One condition's fields as texts."""

    n: int
    context_name: str = ""
    operator: str = "IN"
    values: str = ""
    inverted: bool = False
    case_insensitive: bool = False
    error: str = ""

    @property
    def help(self) -> str:
        """What to write for its operator."""
        known = OPERATORS.get(self.operator)
        return known.help if known else ""


class Errors:
    """Messages by path; taking one shows it at its row, the rest stands on top."""

    def __init__(self, errors: Mapping[str, str], *, strategy: str = "") -> None:
        self._left = {path.removeprefix(strategy): text for path, text in errors.items()}

    def take(self, prefix: str) -> str:
        """The messages of every path that begins with ``prefix``."""
        paths = [path for path in self._left if path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))]
        return " ".join(self._left.pop(path) for path in paths)

    def rest(self) -> list[str]:
        """What no row has taken."""
        return list(self._left.values())


def conditions(given: Sequence[Constraint]) -> list[ConditionRow]:
    """Stored conditions as rows."""
    return [
        ConditionRow(
            n=n,
            context_name=c.context_name,
            operator=c.operator,
            values="\n".join(values(c)),
            inverted=c.inverted,
            case_insensitive=c.case_insensitive,
        )
        for n, c in enumerate(given)
    ]


def condition_rows(posted: Mapping[str, str], *, act: str = "", take: Take = None) -> list[ConditionRow]:
    """Posted conditions as rows, reshaped by ``act``; ``take(path)`` gives the messages of a row."""
    rows, place = [], 0
    for n in numbers(posted, "constraint"):
        if act == f"remove-constraint-{n}":
            continue
        name, text = posted.get(f"constraint-{n}-context_name", ""), posted.get(f"constraint-{n}-values", "")
        counts = bool(name.strip() or text.strip())
        rows.append(
            ConditionRow(
                n=n,
                context_name=name,
                operator=posted.get(f"constraint-{n}-operator", "IN"),
                values=text,
                inverted=f"constraint-{n}-inverted" in posted,
                case_insensitive=f"constraint-{n}-case_insensitive" in posted,
                error=take(f"constraints[{place}]") if take is not None and counts else "",
            )
        )
        place += counts
    if act == "add-constraint":
        rows.append(ConditionRow(n=1 + max((row.n for row in rows), default=-1)))
    return rows


def typed(posted: Mapping[str, str], *, errors: Mapping[str, str]) -> tuple[list[ConditionRow], tuple[str, ...]]:
    """Posted conditions with their messages, and the messages that belong to none of them."""
    left = Errors(errors)
    return condition_rows(posted, take=left.take), tuple(left.rest())


def grouped_operators() -> list[tuple[str, list[tuple[str, str]]]]:
    """The operators for a choice: (group, [(name, words)])."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, operator in OPERATORS.items():
        groups.setdefault(operator.group, []).append((name, operator.words))
    return list(groups.items())
