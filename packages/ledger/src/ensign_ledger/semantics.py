"""What entries must say of each other and of approvals: pure checkers, fed one entry at a time in order.

Each checker takes entries whose form is right (entry.check_entry) and answers once at the end. Memory is one
small record for each governed object, document and anchor, never for each entry.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ensign_ledger.entry import commitments, parse_time
from ensign_ledger.plans import Plans
from ensign_ledger.report import Outcome

Answer = tuple[Outcome, str]

APPLIED = "change_request.applied"
WITHOUT_PRIOR_APPROVAL = frozenset({"standard", "break-glass"})
"""Modes whose approvals do not come before: pre-approved, or reviewed afterwards."""


class Checker(Protocol):
    """One numbered check over all entries."""

    number: int

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """Take the next entry."""

    def answer(self) -> Answer:
        """Say what was found."""


class Problems:
    """Keeps the first problem in words and counts the others."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.count = 0

    def add(self, entry_or_seq: Mapping[str, Any] | int, text: str) -> None:
        """Record a problem of an entry (or of the entry with that number)."""
        seq = entry_or_seq if isinstance(entry_or_seq, int) else entry_or_seq["seq"]
        self.count += 1
        if self.first is None:
            self.first = f"entry {seq}: {text}"

    def answer(self, well: str) -> Answer:
        """Return INVALID with the first problem, or VALID with ``well``."""
        if self.first is None:
            return Outcome.VALID, well
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return Outcome.INVALID, self.first + more


class Chain:
    """Check 10 (3.2): per object, version + 1 and ``before`` equal to the previous ``after``.

    In a bundle that starts at entry 0 every object starts with version 1; in a later one the first touch of
    an object links to entries outside the bundle, which the start checkpoint commits to.
    """

    number = 10

    def __init__(self, *, start: int) -> None:
        self._start = start
        self._last: dict[str, tuple[int, str]] = {}
        self._touches = self._open = 0
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        for touch in entry.get("touch", ()):
            name, version, before = touch["object"], touch["version"], touch["before"]
            last = self._last.get(name)
            if last is None:
                if version > 1 and self._start == 0:
                    self._problems.add(entry, f"{name} starts with version {version} in a whole log")
                self._open += version > 1
            elif version != last[0] + 1:
                self._problems.add(entry, f"{name} goes from version {last[0]} to {version}")
            elif before != last[1]:
                self._problems.add(entry, f"{name} version {version} does not start from version {last[0]}")
            self._last[name] = (version, touch["after"])
            self._touches += 1

    def answer(self) -> Answer:
        """See Checker."""
        text = f"{self._touches} changes of {len(self._last)} objects"
        if self._open:
            text += f", {self._open} of which continue from before this range"
        return self._problems.answer(text)


class Documents:
    """Checks 11 and 12 (section 7): supplied documents are committed to; missing ones are accounted for.

    ``supplied`` are the digests of the documents in the bundle; ``claim`` is the manifest's word about them:
    all, some or none.
    """

    number = 11

    def __init__(self, *, supplied: set[str], claim: str) -> None:
        self._unused = set(supplied)
        self._supplied = supplied
        self._claim = claim
        self._missing: dict[str, int] = {}
        self._redacted: dict[str, int] = {}

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        for gone in entry.get("redacts", ()):
            self._redacted.setdefault(gone, entry["seq"])
        if self._claim == "none" and not self._supplied:
            return
        for commitment in commitments(entry):
            if commitment in self._supplied:
                self._unused.discard(commitment)
            else:
                self._missing.setdefault(commitment, entry["seq"])

    def answer(self) -> Answer:
        """Check 11: every supplied document is committed to by an entry."""
        if self._unused:
            return Outcome.INVALID, f"no entry commits to {len(self._unused)} documents: {min(self._unused)}"
        return Outcome.VALID, f"{len(self._supplied)} documents"

    def missing(self) -> Answer:
        """Check 12: what is missing is redacted by an entry, or the manifest said that it is not all."""
        if self._claim == "none":
            return Outcome.NOT_CHECKED, "no documents supplied: digests are proven, contents are not shown"
        redacted = {digest: self._redacted[digest] for digest in self._missing if digest in self._redacted}
        absent = {digest: seq for digest, seq in self._missing.items() if digest not in self._redacted}
        shown = _redactions(redacted)
        if not absent:
            return Outcome.VALID, f"all supplied, {shown}"
        digest, seq = min(absent.items(), key=lambda item: (item[1], item[0]))
        text = f"{len(absent)} documents not supplied, first {digest} of entry {seq}; {shown}"
        if self._claim == "all":
            return Outcome.INVALID, f"the manifest claims all documents, but {text}"
        return Outcome.NOT_CHECKED, text


def _redactions(redacted: Mapping[str, int]) -> str:
    """What was redacted (digest: authorising entry) in words."""
    if not redacted:
        return "none redacted"
    entries = sorted(set(redacted.values()))
    named = ", ".join(str(seq) for seq in entries[:5]) + (" and others" if len(entries) > 5 else "")
    return f"{len(redacted)} redacted, authorised by {'entry' if len(entries) == 1 else 'entries'} {named}"


class Approvals:
    """Check 13 (3.3, 3.5): who approved an applied change, how many, when; and that steps are steps of their plan."""

    number = 13

    def __init__(self) -> None:
        self._applied = self._approved = self._exempt = 0
        self._plans = Plans()
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        if entry["action"] != APPLIED:
            return
        self._applied += 1
        approval = entry.get("approval")
        if approval is None:
            self._problems.add(entry, "applied without a record of its approval")
            return
        self._approved += bool(approval["approvers"])
        self._exempt += approval["mode"] in WITHOUT_PRIOR_APPROVAL
        for problem in approval_problems(approval, ts=entry["ts"]):
            self._problems.add(entry, problem)
        for problem in self._plans.feed(entry, approval):
            self._problems.add(entry, problem)

    def answer(self) -> Answer:
        """See Checker."""
        text = f"{self._applied} applied, {self._approved} with approvals"
        if self._exempt:
            text += f", {self._exempt} as standard change or break-glass"
        if self._plans.steps:
            text += f", {self._plans.steps} as steps of approved plans"
        if self._plans.open:
            text += f", {self._plans.open} of which belong to plans approved before this range, which show their digest"
        return self._problems.answer(text)


def approval_problems(approval: Mapping[str, Any], *, ts: str) -> Iterator[str]:
    """Yield in words what is wrong with the approvals of a change applied at ``ts``, if anything."""
    people = [approver["id"] for approver in approval["approvers"]]
    if len(set(people)) != len(people):
        yield "the same person approved twice"
    if approval["author"] in people:
        yield f"the author {approval['author']} approved"
    if both := sorted(set(people) & set(approval["contributors"])):
        yield f"{both[0]} edited the change and approved it"
    if len(set(people)) < approval["required"] and approval["mode"] not in WITHOUT_PRIOR_APPROVAL:
        yield f"{len(set(people))} of {approval['required']} required approvals"
    applied = parse_time(ts, path="ts")
    for approver in approval["approvers"]:
        if parse_time(approver["at"], path="at") > applied:
            yield f"{approver['id']} approved after it was applied"
        if approver.get("via", "session") != "session":
            yield f"{approver['id']} did not approve in an interactive session"


class ApprovedDigest:
    """Check 14 (3.3): each approval names the digest that applied."""

    number = 14

    def __init__(self) -> None:
        self._named = self._silent = 0
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        if entry["action"] != APPLIED or "approval" not in entry:
            return
        for approver in entry["approval"]["approvers"]:
            if "digest" not in approver:
                self._silent += 1
                continue
            self._named += 1
            if approver["digest"] != entry["approval"]["digest"]:
                self._problems.add(entry, f"{approver['id']} approved another digest than the one applied")

    def answer(self) -> Answer:
        """See Checker."""
        if self._problems.count == 0 and self._silent:
            return Outcome.NOT_CHECKED, f"{self._silent} approvals do not name what was approved"
        return self._problems.answer(f"{self._named} approvals name the digest that was applied")


class Protected:
    """Check 15 (3.4): in an environment recorded as protected the policy asked for an approval.

    A policy may ask for none where it states a compensating control (``approval.compensated``): allowed, but
    counted and named, so that a reader asks for the evidence of that control.
    """

    number = 15

    def __init__(self) -> None:
        self._seen = self._compensated = 0
        self._first: int | None = None
        self._problems = Problems()

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        approval = entry.get("approval")
        if approval is None or not _is_protected(entry, approval):
            return  # check 13 refuses an applied change without its approval
        self._seen += 1
        if approval["required"] >= 1 or approval["mode"] in WITHOUT_PRIOR_APPROVAL:
            return
        if approval.get("compensated") is True:
            self._compensated += 1
            self._first = entry["seq"] if self._first is None else self._first
            return
        self._problems.add(entry, "a protected environment changed under a policy of no approvals")

    def answer(self) -> Answer:
        """See Checker."""
        text = f"{self._seen} changes of protected environments"
        if self._compensated:
            text += (
                f", {self._compensated} of them without approval under a policy that states a compensating control"
                f" (first: entry {self._first}): ask for the evidence of that control"
            )
        return self._problems.answer(text)


def _is_protected(entry: Mapping[str, Any], approval: Mapping[str, Any]) -> bool:
    if approval.get("protected") is True:
        return True
    return any(entry.get(part, {}).get("protected") is True for part in ("where", "detail"))
