"""Check 19 (3.9): what applied has what its policies ask of every change, where the bundle shows these policies.

Memory is one small record for each policy document that was supplied, and for each policy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ensign_ledger.report import Outcome
from ensign_ledger.semantics import APPLIED, WITHOUT_PRIOR_APPROVAL, Answer, Problems

OBJECT = "policy:"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy asks of every change: so many approvals, ``signed`` with a passkey; ``place`` is where it holds."""

    place: tuple[str, str]
    approvals: int
    signed: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest version of a policy, and what it asks; None when its document is not supplied."""

    version: int
    asked: Asked | None


class Policies:
    """Check 19. ``supplied`` maps a policy's document (its digest) to what it asks, as :func:`asked_in` finds it."""

    number = 19

    def __init__(self, *, supplied: Mapping[str, Asked]) -> None:
        self._supplied = supplied
        self._known: dict[str, _Known] = {}
        self._here: dict[tuple[str, str], str] = {}
        self._held = self._unknown = 0
        self._first: tuple[int, str] | None = None
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        applied = entry["action"] == APPLIED
        if applied and "approval" in entry and _waits(entry["approval"]):
            self._judge(entry, entry["approval"])  # by what was in force before this entry
        for touch in entry.get("touch", ()):
            if not touch["object"].startswith(OBJECT):
                continue
            if touch["version"] > 1 and not applied:
                self._problems.add(entry, f"{entry['action']} changes {touch['object']}: only an applied change does")
            asked = self._supplied.get(touch["after"])
            id_ = touch["object"][len(OBJECT) :]
            self._known[id_] = _Known(touch["version"], asked)
            if asked is not None:
                self._here[asked.place] = id_

    def answer(self) -> Answer:
        """See Checker."""
        if self._problems.count:
            return self._problems.answer("")
        text = f"{self._held} changes have what their policies ask of every change"
        if self._first is not None:
            seq, named = self._first
            text += f"; {self._unknown} not checked, first entry {seq}: the bundle does not show the policy {named}"
            return Outcome.NOT_CHECKED, text
        return Outcome.VALID, text

    def _judge(self, entry: Mapping[str, Any], approval: Mapping[str, Any]) -> None:
        named = dict(_named(approval["policy"]))
        where = entry.get("where", {})
        here = self._here.get((where.get("project"), where.get("environment")))
        if here is not None and here not in named:
            self._problems.add(entry, f"it names {approval['policy']}, while the policy there is {here}")
            return
        unknown = ""
        for id_, version in named.items():
            known = self._known.get(id_)
            if known is None or known.asked is None:
                unknown = unknown or f"{id_}@{version}"
            if known is not None and known.version != version:
                self._problems.add(entry, f"it names version {version} of {id_}, which is at version {known.version}")
            elif known is not None and known.asked is not None:
                for problem in _short(approval, known.asked, f"{id_}@{version}"):
                    self._problems.add(entry, problem)
        if unknown or not named:
            self._unknown += 1
            self._first = self._first or (entry["seq"], unknown or str(approval["policy"]))
        else:
            self._held += 1


def _waits(approval: Mapping[str, Any]) -> bool:
    """Whether it answers to a policy beforehand. The way back of a plan does not: it only takes away."""
    if approval["mode"] == "plan":
        return approval["plan"]["step"] is not None
    return approval["mode"] not in WITHOUT_PRIOR_APPROVAL


def _named(policy: Any) -> Iterator[tuple[str, int]]:
    """The policies that a reference names: ``pol_a@3+pol_b@1``; what is not of that form is left out."""
    for one in policy.split("+") if isinstance(policy, str) else ():
        id_, _, version = one.partition("@")
        if id_ and version.isascii() and version.isdigit():
            yield id_, int(version)


def _short(approval: Mapping[str, Any], asked: Asked, name: str) -> Iterator[str]:
    """Yield what an approval lacks of what a policy asks of every change."""
    if approval["required"] < asked.approvals:
        yield f"it needed {approval['required']} approvals, while {name} asks for {asked.approvals}"
    # Where a plan applied its approvals are signed; its steps hold no signatures (check 13 compares them).
    if asked.signed and approval["mode"] != "plan" and approval.get("signed", 0) < asked.approvals:
        yield f"it needed {approval.get('signed', 0)} signed approvals, while {name} asks for {asked.approvals}"


def asked_in(document: Mapping[str, Any], /) -> Asked | None:
    """What a policy's document asks of every change; None if it is no such document."""
    place = (document.get("project"), document.get("environment"))
    approvals, further = document.get("approvals"), document.get("further", {})
    if not all(isinstance(key, str) for key in place) or type(approvals) is not int or not isinstance(further, Mapping):
        return None
    if "compensating_control" not in document:
        return None
    more = further.get("approvals", 0)
    most = max(approvals, more if type(more) is int else 0, int(_from_somebody(further)))
    return Asked(place=(str(place[0]), str(place[1])), approvals=most, signed=further.get("signed") is True)


def _from_somebody(further: Mapping[str, Any]) -> bool:
    """Whether it says from whom an approval comes, which takes one."""
    approvers = further.get("approvers", ())
    narrows = isinstance(approvers, (list, tuple)) and any(
        isinstance(one, Mapping) and any(one.values()) for one in approvers
    )
    return bool(further.get("each_group")) or narrows
