"""Anchors: copies of (size, root) that left the log's owner (ledger-format, section 8).

A bundle carries them as canonical JSON lines ``{"kind", "size", "root", "at", ...}``. Offline one can check
that each names the root which the log had at that size. That the copy lies where it says, and since when, is
for the reader to see at that place: this is what an anchor is for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ensign_ledger.canonical import CanonicalError, decode
from ensign_ledger.entry import EntryError, is_digest, parse_time
from ensign_ledger.merkle import Frontier
from ensign_ledger.report import Outcome

MAX_ANCHOR = 65_535


class AnchorError(ValueError):
    """A line of anchors.jsonl is malformed."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """At ``at`` (RFC 3339, UTC) the head of ``size`` and ``root`` was deposited at a ``kind`` of place."""

    kind: str
    size: int
    root: bytes
    at: str


def parse_anchor(data: bytes, /) -> Anchor:
    """Read one line; members that are not named here (receipts) are allowed. Raises AnchorError."""
    try:
        value: Any = decode(data)
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or not value["kind"]:
            raise AnchorError("an anchor is an object with a kind")
        at = parse_time(value.get("at"), path="at")
    except (CanonicalError, EntryError) as error:
        raise AnchorError(str(error)) from None
    if type(value.get("size")) is not int or value["size"] < 0 or not is_digest(value.get("root")):
        raise AnchorError("an anchor has a size and a root")
    return Anchor(value["kind"], value["size"], bytes.fromhex(value["root"]), at)


class AnchorRoots:
    """Check 16: compares anchors with the tree while it grows; ``observe`` it at every size in order."""

    number = 16

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self._waiting: dict[int, list[Anchor]] = {}
        self._total = 0
        for anchor in anchors:
            self._waiting.setdefault(anchor.size, []).append(anchor)
            self._total += 1
        self._agreed = 0
        self._problem: str | None = None

    @property
    def sizes(self) -> frozenset[int]:
        """The sizes still to observe."""
        return frozenset(self._waiting)

    def observe(self, tree: Frontier, /) -> None:
        """Compare the anchors at this size with the tree's root."""
        for anchor in self._waiting.pop(tree.size, ()):
            if anchor.root == tree.root():
                self._agreed += 1
            elif self._problem is None:
                self._problem = f"the {anchor.kind} anchor of {anchor.at} has another root at size {anchor.size}"

    def answer(self) -> tuple[Outcome, str]:
        """Say what was found; NOT_CHECKED if no anchor lies within the range."""
        if self._problem is not None:
            return Outcome.INVALID, self._problem
        outside = self._total - self._agreed
        if not self._agreed:
            return Outcome.NOT_CHECKED, f"no anchor within this range ({outside} outside it)"
        rest = f", {outside} outside the range not checked" if outside else ""
        return Outcome.VALID, f"{self._agreed} agree{rest}; compare them with the copies at their own places"
