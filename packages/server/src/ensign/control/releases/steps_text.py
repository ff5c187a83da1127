"""Steps of a plan as people write them, one a line: “5 % for 1 h”. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ensign.control.changes.domain.ramp_operations import RampStep, check_steps, hold_words
from ensign.control.kernel.errors import Invalid

_LINE = re.compile(
    r"(?P<percent>\d{1,3})\s*%?\s*(?:(?:for|,|:)?\s*(?P<hold>(?:\d{1,5}\s*(?:d|days?|h|hours?|m|min|minutes?)\s*)+))?",
    re.IGNORECASE,
)
_HOLD = re.compile(r"(\d{1,5})\s*([dhm])", re.IGNORECASE)
_MINUTES = {"d": 24 * 60, "h": 60, "m": 1}

#: What a new plan begins with.
USUAL = "5 % for 1 h\n25 % for 1 h\n50 % for 1 h\n100 %"


def read(text: str) -> tuple[RampStep, ...]:
    """The steps that ``text`` says, checked.

    :raises Invalid: naming the line that cannot be read, or the step that may not stand.
    """
    found = []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or not 1 <= int(match["percent"]) <= 100:
            raise Invalid(
                f"Line {number} of the steps cannot be read: “{line[:60]}”.",
                fields={"steps": f"Line {number}: write a share and how long it is held, such as “25 % for 2 h”."},
            )
        minutes = sum(int(count) * _MINUTES[unit.lower()] for count, unit in _HOLD.findall(match["hold"] or ""))
        found.append(RampStep(percent=int(match["percent"]), hold=minutes))
    try:
        return check_steps(found)
    except Invalid as wrong:
        said = " ".join(wrong.fields.values())
        remedy = wrong.remedy or "Every step but the last is held, such as “5 % for 1 h”, and each is larger."
        subject = "A plan" if "steps" in wrong.fields else "A step"
        raise Invalid("The steps may not stand like this.", fields={"steps": f"{subject} {said}. {remedy}"}) from wrong


def usual(share: int) -> str:
    """What a new plan begins with where a strategy reaches ``share`` per cent already: a ramp only rises."""
    lines = [line for line in USUAL.splitlines() if int(line.split()[0]) > share]
    return "\n".join(lines) if len(lines) > 1 else USUAL if share >= 100 else f"{share} % for 1 h\n100 %"


def write(steps: Sequence[RampStep]) -> str:
    """The inverse of :func:`read`."""
    return "\n".join(f"{one.percent} %" + (f" for {hold_words(one.hold)}" if one.hold else "") for one in steps)
