"""One pass over a bundle's entries and documents: checks 7, 8 and 10 to 19 (ledger-format, section 9)."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, TypeVar

from ensign_ledger.anchors import MAX_ANCHOR, AnchorError, AnchorRoots, parse_anchor
from ensign_ledger.canonical import MAX_ENTRY, CanonicalError, decode
from ensign_ledger.checkpoint import Checkpoint
from ensign_ledger.container import Container, ContainerError, lines
from ensign_ledger.earlier import MAX_LINE, EarlierError, parse_earlier
from ensign_ledger.emergencies import Emergencies
from ensign_ledger.entry import EntryError, decode_entry, parse_time
from ensign_ledger.merkle import Frontier, leaf_hash
from ensign_ledger.policies import Asked, Policies, asked_in
from ensign_ledger.report import Outcome
from ensign_ledger.semantics import (
    Answer,
    Approvals,
    ApprovedDigest,
    Chain,
    Checker,
    Documents,
    Problems,
    Protected,
)
from ensign_ledger.signed import SignedApprovals, shown_in

MAX_DOCUMENT = 16 << 20
"""Largest document in bytes."""

MIN_NONCE = 22
"""Shortest nonce of a document in characters: 128 bits in base64 without padding."""

T = TypeVar("T")


class RefusedError(Exception):
    """The check at hand is INVALID for the stated reason."""


class NotReachedError(Exception):
    """The check at hand needs something that an earlier check did not establish."""


def need(value: T | None, why: str, /) -> T:
    """Return what an earlier check established; raises NotReachedError if it did not."""
    if value is None:
        raise NotReachedError(why)
    return value


def replay(container: Container, *, tree: Frontier, end: Checkpoint, claim: str, semantics: bool) -> dict[int, Answer]:
    """Append every entry to ``tree`` (which stands at the start checkpoint) and answer the checks.

    Check 8 is always among the answers; 16 too; 7, 10 to 15 and 17 to 19 if ``semantics``. ``claim`` is the manifest's
    word about documents. What the bundle does wrong becomes an answer, never an exception.
    """
    run = _Replay(container, tree, end)
    if semantics:
        run.prepare_semantics(claim)
    return run.run()


class _Replay:
    def __init__(self, container: Container, tree: Frontier, end: Checkpoint) -> None:
        self._container = container
        self._tree = tree
        self._end = end
        self._start = tree.size
        self._answers: dict[int, Answer] = {}
        self._reader: _EntryReader | None = None
        self._documents: Documents | None = None
        self._anchors = self._load_anchors()
        self._shown: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, Asked] = {}

    def prepare_semantics(self, claim: str) -> None:
        checkers: list[Checker] = [Chain(start=self._start), Approvals(), ApprovedDigest(), Protected()]
        checkers.append(Emergencies(start=self._start))
        self._documents = self._load_documents(claim)
        if self._documents is not None:
            checkers += [self._documents, Policies(supplied=self._asked)]
        earlier = self._load_earlier()
        if earlier is not None:
            checkers.append(SignedApprovals(start=self._start, shown=self._shown, earlier=earlier))
        self._reader = _EntryReader(log=self._end.origin, start=self._start, checkers=checkers)

    def run(self) -> dict[int, Answer]:
        try:
            self._append_all()
            complete = self._tree.size == self._end.size
            self._answers[8] = self._compare()
        except (RefusedError, ContainerError) as error:
            complete = False
            self._answers[8] = Outcome.INVALID, str(error)
        if self._anchors is not None:
            self._answers[16] = self._anchors.answer()
        if self._reader is not None:
            self._conclude(self._reader, complete)
        return self._answers

    def _append_all(self) -> None:
        tree, reader, anchors, last = self._tree, self._reader, self._anchors, self._end.size
        wanted = anchors.sizes if anchors is not None else frozenset()
        if anchors is not None:
            anchors.observe(tree)
        for data in lines(self._container, "entries.jsonl", limit=MAX_ENTRY):
            if tree.size >= last:
                raise RefusedError(f"there are more entries than the end checkpoint's {last}")
            if reader is not None:
                reader.read(data, tree.size)
            tree.append(leaf_hash(data))
            if anchors is not None and tree.size in wanted:
                anchors.observe(tree)

    def _compare(self) -> Answer:
        if self._tree.size != self._end.size:
            raise RefusedError(f"the entries end at {self._tree.size}, the end checkpoint is of size {self._end.size}")
        if self._tree.root() != self._end.root:
            raise RefusedError("the entries are not those of the end checkpoint: some were changed")
        return Outcome.VALID, f"{self._end.size - self._start} entries, none missing, added or moved"

    def _load_anchors(self) -> AnchorRoots | None:
        if "anchors.jsonl" not in self._container.sizes:
            self._answers[16] = Outcome.NOT_CHECKED, "the bundle holds no anchors"
            return None
        try:
            return AnchorRoots(parse_anchor(line) for line in lines(self._container, "anchors.jsonl", limit=MAX_ANCHOR))
        except (AnchorError, ContainerError) as error:
            self._answers[16] = Outcome.INVALID, str(error)
            return None

    def _load_documents(self, claim: str) -> Documents | None:
        """Hash every document; None, with check 11 INVALID, if one is malformed."""
        supplied: set[str] = set()
        try:
            for data in lines(self._container, "documents.jsonl", limit=MAX_DOCUMENT):
                name, document = sha256(data).hexdigest(), check_document(data)
                supplied.add(name)
                if (shown := shown_in(document)) is not None:
                    self._shown[name] = shown
                if (asked := asked_in(document)) is not None:
                    self._asked[name] = asked
        except (RefusedError, ContainerError) as error:
            self._answers[11] = Outcome.INVALID, str(error)
            return None
        return Documents(supplied=supplied, claim=claim)

    def _load_earlier(self) -> list[dict[str, Any]] | None:
        """The proven entries from before the range; None, with check 17 INVALID, if one is not proven."""
        if "earlier.jsonl" not in self._container.sizes:
            return []
        place: dict[str, Any] = {"log": self._end.origin, "size": self._start, "root": self._tree.root()}
        try:
            return [parse_earlier(line, **place) for line in lines(self._container, "earlier.jsonl", limit=MAX_LINE)]
        except (EarlierError, ContainerError) as error:
            self._answers[17] = Outcome.INVALID, str(error)
            return None

    def _conclude(self, reader: "_EntryReader", complete: bool) -> None:
        """Record the answers; what was seen of a part of the entries proves nothing good of the whole."""
        answers: list[tuple[int, Callable[[], Answer]]] = [(7, reader.answer)]
        answers += [(checker.number, checker.answer) for checker in reader.checkers]
        if self._documents is not None:
            answers.append((12, self._documents.missing))
        whole = complete and reader.problems.count == 0
        for number, answer in answers:
            outcome, detail = answer()
            if outcome is Outcome.VALID and not (complete if number == 7 else whole):
                outcome, detail = Outcome.NOT_CHECKED, "not reached: some entries are missing or unreadable"
            self._answers[number] = outcome, detail


def check_document(data: bytes, /) -> dict[str, Any]:
    """The document; raises RefusedError unless ``data`` is a canonical JSON object with a nonce (section 7)."""
    try:
        value = decode(data, free_keys=True)
    except CanonicalError as error:
        raise RefusedError(f"a document is not canonical JSON: {error}") from None
    nonce = value.get("nonce") if isinstance(value, dict) else None
    if not isinstance(nonce, str) or len(nonce) < MIN_NONCE:
        raise RefusedError(f"a document is not an object with a nonce of at least {MIN_NONCE} characters")
    found: dict[str, Any] = value
    return found


class _EntryReader:
    """Check 7: canonical, of the form, of this log, numbered without a gap, times not decreasing."""

    def __init__(self, *, log: str, start: int, checkers: Iterable[Checker]) -> None:
        self._log = log
        self.checkers = tuple(checkers)
        self._start = start
        self._last = ""
        self._count = 0
        self.problems = Problems()

    def read(self, data: bytes, seq: int) -> None:
        """Read the entry at ``seq`` and hand it to the checkers if its form is right."""
        self._count += 1
        try:
            entry = decode_entry(data)
        except (CanonicalError, EntryError) as error:
            self.problems.add(seq, str(error))
            return
        if entry["log"] != self._log:
            self.problems.add(seq, f"it is of the log {entry['log']}")
        if entry["seq"] != seq:
            self.problems.add(seq, f"it carries the number {entry['seq']}")
        time = parse_time(entry["ts"], path="ts")
        if time < self._last:
            self.problems.add(seq, f"its time {time} is before its predecessor's {self._last}")
        self._last = time
        for checker in self.checkers:
            checker.feed(entry)

    def answer(self) -> Answer:
        """Say what was found."""
        return self.problems.answer(f"{self._count} entries from number {self._start}")
