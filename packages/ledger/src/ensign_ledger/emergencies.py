"""Check 18 (3.8): an emergency change rests on an opening, and somebody else reviews the opening."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ensign_ledger.entry import EntryError, parse_time
from ensign_ledger.report import Outcome
from ensign_ledger.semantics import APPLIED, Answer, Problems

OPENED = "break_glass.opened"
ENDED = "break_glass.ended"
REVIEWED = "break_glass.reviewed"


@dataclass(slots=True)
class _Opening:
    seq: int
    person: str
    incident: str
    place: tuple[Any, Any]
    expires: str
    ended: str | None = None
    reviewed: bool = False


class Emergencies:
    """Feeds on openings, their ends and reviews, and the changes that applied in the mode ``break-glass``.

    Memory is one small record for each opening, and the people who had part in what was applied under it.
    """

    number = 18

    def __init__(self, *, start: int) -> None:
        self._start = start
        self._openings: dict[str, _Opening] = {}
        self._part: dict[str, set[str]] = {}
        self._applied = self._before = 0
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        action = entry["action"]
        try:
            if action == OPENED:
                self._open(entry)
            elif action == ENDED:
                self._end(entry)
            elif action == REVIEWED:
                self._review(entry)
            elif action == APPLIED and entry.get("approval", {}).get("mode") == "break-glass":
                self._applied += 1
                for problem in self._apply(entry):
                    self._problems.add(entry, problem)
        except (EntryError, KeyError, TypeError) as error:
            self._problems.add(entry, f"{action} does not say what it must: {error}")

    def _open(self, entry: Mapping[str, Any]) -> None:
        detail = entry["detail"]
        if detail["opening"] in self._openings:
            self._problems.add(entry, f"{detail['opening']} is opened twice")
        if entry["actor"].get("id") != detail["person"] or entry["actor"]["via"] != "session":
            self._problems.add(entry, f"{detail['person']} did not open {detail['opening']} in an interactive session")
        self._openings[detail["opening"]] = _Opening(
            seq=entry["seq"],
            person=detail["person"],
            incident=detail["incident"],
            place=_place(entry),
            expires=parse_time(detail["expires_at"], path="detail.expires_at"),
        )

    def _end(self, entry: Mapping[str, Any]) -> None:
        known = self._openings.get(entry["detail"]["opening"])
        if known is not None and known.ended is None:
            known.ended = parse_time(entry["ts"], path="ts")

    def _review(self, entry: Mapping[str, Any]) -> None:
        name = entry["detail"]["opening"]
        known = self._openings.get(name)
        reviewer = entry["actor"].get("id")
        if entry["actor"]["via"] != "session":
            self._problems.add(entry, f"{name} was not reviewed in an interactive session")
        if reviewer == entry["detail"]["person"] or reviewer in self._part.get(name, ()):
            self._problems.add(entry, f"{reviewer} reviewed an emergency in which they had part")
        if known is not None:
            known.reviewed = True
        elif self._start == 0:
            self._problems.add(entry, f"{name} was reviewed, but never opened")

    def _apply(self, entry: Mapping[str, Any]) -> Iterator[str]:
        approval = entry["approval"]
        named = approval.get("opening")
        if not isinstance(named, dict):
            yield "an emergency change that names no opening"
            return
        name, ts = named["id"], parse_time(entry["ts"], path="ts")
        self._part.setdefault(name, set()).update([approval["author"], *approval["contributors"]])
        if ts >= parse_time(named["expires_at"], path="approval.opening.expires_at"):
            yield f"applied after {name} had expired"
        known = self._openings.get(name)
        if known is None:
            if self._start == 0:
                yield f"{name} was never opened"
            self._before += 1
            return
        if entry["actor"].get("id") != known.person or entry["actor"]["via"] != "session":
            yield f"not applied by {known.person}, who opened {name}, in an interactive session"
        if _place(entry) != known.place:
            yield f"applied elsewhere than where {name} was opened"
        if parse_time(named["expires_at"], path="approval.opening.expires_at") != known.expires:
            yield f"names another end of {name} than its opening did"
        if named["incident"] != known.incident:
            yield f"names another incident than {name} did"
        if known.ended is not None:
            yield f"applied after {name} had been ended"

    def answer(self) -> Answer:
        """See Checker."""
        waiting = [one.seq for one in self._openings.values() if not one.reviewed]
        text = f"{self._applied} emergency changes, {len(self._openings)} openings"
        if waiting:
            text += f", {len(waiting)} of them not reviewed (first: entry {min(waiting)}): ask for the reviews"
        outcome, detail = self._problems.answer(text)
        if outcome is Outcome.VALID and self._before:
            return Outcome.NOT_CHECKED, f"{text}; {self._before} rest on openings from before this range"
        return outcome, detail


def _place(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    where = entry.get("where", {})
    return where.get("project"), where.get("environment")
