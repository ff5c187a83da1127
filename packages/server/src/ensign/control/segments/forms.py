"""Conditions as form fields, and back. ``changes`` reads the same fields when a draft is posted.

Of each condition, with ``<n>`` counting from 0 (gaps are fine):

* ``constraint-<n>-context_name``: a field of the context
* ``constraint-<n>-operator``: one of the wire's operators
* ``constraint-<n>-values``: text; for lists one value a line or separated by commas, else the one value
* ``constraint-<n>-inverted`` and ``constraint-<n>-case_insensitive``: present when ticked
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ensign_engine.validate import TAKES_VALUES

from ensign.control.segments.domain import Constraint, SegmentConfig


def numbers(names: Iterable[str], prefix: str) -> list[int]:
    """The numbers of the rows that were posted under ``prefix``, in order, at most 1,000."""
    form = re.compile(rf"{prefix}-([0-9]{{1,4}})-")
    return sorted({int(match.group(1)) for name in names if (match := form.match(name))})[:1000]


def split(text: str) -> tuple[str, ...]:
    """Values written one a line or separated by commas."""
    return tuple(value for part in re.split(r"[,\r\n]", text) if (value := part.strip()))


def constraints(posted: Mapping[str, str]) -> tuple[Constraint, ...]:
    """The conditions of a posted form, as typed; rows with neither field nor values are left out."""
    found = []
    for n in numbers(posted, "constraint"):
        name = posted.get(f"constraint-{n}-context_name", "")
        operator = posted.get(f"constraint-{n}-operator", "")
        text = posted.get(f"constraint-{n}-values", "")
        if not name.strip() and not text.strip():
            continue
        lists = operator in TAKES_VALUES
        found.append(
            Constraint(
                context_name=name,
                operator=operator,
                values=split(text) if lists else (),
                value=None if lists else text.strip("\r\n"),
                inverted=f"constraint-{n}-inverted" in posted,
                case_insensitive=f"constraint-{n}-case_insensitive" in posted,
            )
        )
    return tuple(found)


def segment(posted: Mapping[str, str]) -> SegmentConfig:
    """The content of a segment from a posted form, as typed."""
    return SegmentConfig(constraints=constraints(posted))
