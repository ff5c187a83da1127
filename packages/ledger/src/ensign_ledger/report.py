"""What a verification found: numbered checks, each VALID, INVALID or NOT_CHECKED, and what that means."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ensign_ledger.canonical import encode


class Outcome(StrEnum):
    """NOT_CHECKED is never a pass: it says that the bundle, or the caller, gave nothing to check against."""

    VALID = "VALID"
    INVALID = "INVALID"
    NOT_CHECKED = "NOT_CHECKED"


CHECKS: Mapping[int, tuple[str, str]] = {
    1: ("every file is there, listed and unchanged", "ledger-format 6.2"),
    2: ("the list of files is signed by a key of the log", "ledger-format 6.3; RFC 8032 5.1.7"),
    3: ("key origin: the signing key is one that you named", "ledger-format 5.3"),
    4: ("the start checkpoint is signed by a key valid at its size", "tlog-checkpoint; ledger-format 5.2"),
    5: ("the end checkpoint is signed by a key valid at its size", "tlog-checkpoint; ledger-format 5.2"),
    6: ("the tree before the first entry is the start checkpoint's", "RFC 6962 2.1; ledger-format 4.2"),
    7: ("every entry is well formed, numbered without a gap, in order of time", "ledger-format 3"),
    8: ("all entries, in order, give the end checkpoint's root", "RFC 6962 2.1; ledger-format 4.3"),
    9: ("the end checkpoint extends the start checkpoint", "RFC 9162 2.1.4.2"),
    10: ("each change starts from what the previous one left", "ledger-format 3.2"),
    11: ("every document is one that an entry commits to", "ledger-format 7.1"),
    12: ("no document is missing without an entry that redacts it", "ledger-format 7.2"),
    13: ("applied changes were approved by enough other people beforehand", "ledger-format 3.3"),
    14: ("what was approved is what was applied", "ledger-format 3.3"),
    15: ("no policy let a protected environment change without approval", "ledger-format 3.4"),
    16: ("anchors agree with the log", "ledger-format 8"),
    17: ("signed approvals are signed by their approvers' own keys, over what applied", "ledger-format 3.6, 3.7"),
    18: ("emergency changes rest on an opening, and somebody else reviews it", "ledger-format 3.8"),
    19: ("what applied has what the policies that are shown ask of every change", "ledger-format 3.9"),
}
"""Number: title and clause. Numbers and their meanings are never reused."""

HASH_CHECKS = frozenset({1, 2, 4, 5, 6, 8, 9})
"""Checks that must be VALID whatever is asked for: without one of them nothing is proven."""

SEMANTIC_CHECKS = frozenset({7, 10, 11, 13, 15})
"""Checks that must be VALID as well when entries are read, not only hashed."""


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. ``detail`` may quote the bundle: show it with ``printable``."""

    id: int
    outcome: Outcome
    detail: str

    @property
    def title(self) -> str:
        """What the check states, in words."""
        return CHECKS[self.id][0]

    @property
    def clause(self) -> str:
        """Where the rule is written."""
        return CHECKS[self.id][1]


@dataclass(frozen=True, slots=True)
class Report:
    """All checks in order and what the bundle says it is.

    ``signed_by`` is a fingerprint once the manifest's signature verified, else None. ``unsupported`` says
    why this program cannot judge the bundle at all, else None.
    """

    checks: tuple[Check, ...]
    required: frozenset[int]
    log: str | None = None
    start: int | None = None
    end: int | None = None
    signed_by: str | None = None
    unsupported: str | None = None

    @property
    def valid(self) -> bool:
        """No check is INVALID and every required one is VALID: what did not run has not passed."""
        outcomes = {check.id: check.outcome for check in self.checks}
        return (
            self.unsupported is None
            and Outcome.INVALID not in outcomes.values()
            and all(outcomes.get(number) is Outcome.VALID for number in self.required)
        )

    @property
    def first_failure(self) -> Check | None:
        """The first INVALID check, else the first required one that could not run, else None."""
        for check in self.checks:
            if check.outcome is Outcome.INVALID:
                return check
        for check in self.checks:
            if check.id in self.required and check.outcome is not Outcome.VALID:
                return check
        return None

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 2 not a version that this program knows."""
        if self.unsupported is not None:
            return 2
        return 0 if self.valid else 1

    def outcome(self, number: int, /) -> Outcome:
        """Return the outcome of one check; NOT_CHECKED if it did not run."""
        return next((c.outcome for c in self.checks if c.id == number), Outcome.NOT_CHECKED)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values, all text printable."""
        verdict = "VALID" if self.valid else "INVALID"
        return {
            "verdict": verdict if self.unsupported is None else "UNSUPPORTED",
            "log": None if self.log is None else printable(self.log),
            "start": self.start,
            "end": self.end,
            "signed_by": self.signed_by,
            "unsupported": None if self.unsupported is None else printable(self.unsupported),
            "checks": [
                {
                    "id": check.id,
                    "title": check.title,
                    "clause": check.clause,
                    "outcome": str(check.outcome),
                    "detail": printable(check.detail),
                }
                for check in self.checks
            ],
        }

    def to_json(self) -> bytes:
        """Return as_json in canonical bytes."""
        return encode(self.as_json())


def printable(text: str, /, *, limit: int = 400) -> str:
    """Return ``text`` fit for any terminal: ASCII, no control characters, at most ``limit`` characters."""
    shown = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
