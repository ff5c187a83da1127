"""Values of emergency access and the rules of unsealing. Pure; no Django."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Status = Literal["preparing", "sealed", "unsealed", "reviewed", "replaced"]
Verdict = Literal["justified", "unjustified", "process_gap"]

VERDICTS: Final[dict[Verdict, str]] = {
    "justified": "Justified",
    "unjustified": "Not justified",
    "process_gap": "Justified, but the process has a gap",
}
HOLDERS: Final = (2, 8)
HOURS: Final = (1, 4)
#: Within this time two people give their codes.
TOGETHER: Final = timedelta(minutes=15)
#: An independent review is due by then.
REVIEW_DUE: Final = timedelta(hours=24)
_CODE_BYTES: Final = 20
_NOT_IN_CODE: Final = re.compile(r"[^A-Z2-7]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A person with a code of their own. ``drawn_at`` None: not drawn yet. ``given_at``: when they last gave it."""

    person: str
    code_hash: str
    drawn_at: datetime | None
    given_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealView:
    """A seal as it stands. ``ends_at``: until when it is open, once two people have opened it."""

    id: str
    status: Status
    holders: tuple[Holder, ...]
    hours: int
    named_by: str
    named_at: datetime
    unsealed_at: datetime | None
    unsealed_by: tuple[str, ...]
    ends_at: datetime | None
    reviewed_by: str
    reviewed_at: datetime | None
    verdict: str
    version: int

    def open(self, *, at: datetime) -> bool:
        """Whether holders sign in by it now."""
        return self.status == "unsealed" and self.ends_at is not None and at < self.ends_at

    def holder(self, person: str) -> Holder | None:
        """Somebody's part in it, or None."""
        return next((one for one in self.holders if one.person == person), None)


def new_code() -> str:
    """A fresh code: 160 random bits in base32, in groups of four, so that nobody misreads it from paper."""
    text = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def hash_of(code: str) -> str:
    """SHA-256 of the code as its 32 characters, however it was typed; 160 random bits need no slow hash."""
    return hashlib.sha256(_NOT_IN_CODE.sub("", code.upper()).encode()).hexdigest()


def together(seal: SealView, *, person: str, at: datetime) -> tuple[str, ...]:
    """Who stands together when ``person`` gives their code at ``at``: they, and who else did so just before.

    Two different people unseal; one person's code twice is one person.
    """
    others = [
        one.person
        for one in seal.holders
        if one.person != person and one.given_at is not None and timedelta(0) <= at - one.given_at <= TOGETHER
    ]
    return tuple(sorted({person, *others}))
