"""Checking signatures of rules (docs/reference/signed-rulesets.md); imported only where a public key is given."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ensign_engine import Ruleset
from ensign_ledger.note import NoteError, VerifierKey, parse_vkey
from ensign_ledger.ruleset import (
    FEATURE,
    SEGMENT,
    Statement,
    Untrusted,
    canonical_text,
    digest_of,
    item_hash,
    read_signed,
    used_segments,
    verify_proof,
)

log = logging.getLogger("ensign_sdk")

Keys = tuple[VerifierKey, ...]


class _Item(NamedTuple):
    """A flag as it was hashed last: the object itself, its hash, its project, the segments that it uses."""

    raw: Mapping[str, Any]
    hash: bytes
    project: str
    segments: frozenset[int]


class Signed(NamedTuple):
    """A statement and the note that it was read from."""

    statement: Statement
    note: str


class Verdict(NamedTuple):
    """Rules that may be taken over: what was said about them, by project. Of no rules nothing need be said."""

    signed: Mapping[str, Signed]

    @property
    def revision(self) -> tuple[int, int] | None:
        """The newest (epoch, number)."""
        return max((item.statement.revision for item in self.signed.values()), default=None)


def keys_of(given: object) -> Keys:
    """The public keys of an option: one text or several. Raises ValueError."""
    texts = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else []
    try:
        keys = tuple(parse_vkey(text.strip()) for text in texts)
    except (NoteError, AttributeError) as problem:
        raise ValueError(f"public_key cannot be read ({problem}); copy it from Ensign's settings page") from None
    if not keys:
        raise ValueError("public_key is empty; copy it from Ensign's settings page, or leave the option out")
    return keys


def place_of(token: str) -> tuple[tuple[str, ...] | None, str | None]:
    """(projects, environment) that a token's text names; None for what it does not say."""
    project, colon, rest = token.partition(":")
    environment, dot, _ = rest.rpartition(".")
    if not (colon and dot and environment):
        return None, None
    return None if project in {"*", "[]", ""} else (project,), environment


class Trust:
    """What this client believes, and what it has seen. One thread at a time judges and takes; any thread may read.

    `environment` and `projects` are what the rules must be of; None believes what comes first, and then holds to it.
    `named` says that somebody named the projects, so that there must be rules of them from the start.
    """

    def __init__(self, keys: Keys, *, environment: str | None, projects: tuple[str, ...] | None, named: bool) -> None:
        self.keys = keys
        self.held: Mapping[str, Signed] = {}
        self.refused: str | None = None
        self.reports: deque[str] = deque(maxlen=1_000)
        self.changed: Callable[[], None] = lambda: None
        self._environment = environment
        self._projects = projects
        self._named = named
        self._said: str | None = None
        self._marks: dict[str, Statement] = {}
        self._items: dict[str, _Item] = {}
        self._segments: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self._proven: dict[str, str] = {}
        self._roots: dict[int, bytes] = {}
        self._tree: tuple[int, str] | None = None
        self._proven_revision: tuple[int, int] | None = None

    def judge(self, ruleset: Ruleset, read: Mapping[str, Any], source: str) -> Verdict | None:
        """The verdict on rules that were made from the document `read`; None, and `refused` says why, for a refusal."""
        try:
            return Verdict(self._judged(ruleset, _notes(read)))
        except Untrusted as problem:
            self.refuse(problem.code, f"from the {source}: {problem}")
            return None

    def take(self, verdict: Verdict) -> None:
        """Those rules are in use now."""
        if self.refused is not None:
            log.warning("Ensign takes over rules again: their signatures are good")
        self.refused = self._said = None
        for project, item in verdict.signed.items():
            self._marks[project] = item.statement
            self._environment = item.statement.environment
        if verdict.signed != self.held:
            self.held = verdict.signed
            self.changed()

    def refuse(self, code: str, reason: str) -> None:
        """Note a refusal; each reason is logged once, and all are counted for the server."""
        self.refused = reason
        self.reports.append(code)
        if reason != self._said:
            log.error("Ensign refuses rules %s; it goes on with what it has", reason)
        self._said = reason

    def notes(self) -> list[str]:
        """The signed statements about the rules in use."""
        return [item.note for item in self.held.values()]

    def status(self) -> dict[str, Any]:
        """The members of `Status` that are about signatures."""
        return {
            "verified": bool(self.held),
            "refused": self.refused,
            "proven": self._proven_revision,
            "tree": self._tree,
        }

    def unproven(self) -> list[Signed]:
        """What is in use and was not found in the log yet."""
        return [item for project, item in self.held.items() if self._proven.get(project) != item.note]

    def prove(self, item: Signed, proof: object) -> None:
        """Verify that the log holds `item`. Raises Untrusted."""
        checkpoint = verify_proof(proof, item.statement, self.keys)
        seen = self._roots.setdefault(checkpoint.size, checkpoint.root)
        if seen != checkpoint.root:
            raise Untrusted("proof", f"there are two logs of {checkpoint.size} entries: somebody is shown another one")
        while len(self._roots) > 256:
            del self._roots[min(self._roots)]
        self._proven[item.statement.project] = item.note
        if self._tree is None or checkpoint.size >= self._tree[0]:
            self._tree = checkpoint.size, checkpoint.root.hex()
        if not self.unproven():
            self._proven_revision = Verdict(self.held).revision

    def _judged(self, ruleset: Ruleset, notes: list[str]) -> dict[str, Signed]:
        if not notes and not ruleset.table.rules.flags and not self._marks and not self._named:
            return {}  # nothing is published there yet; whoever hides rules so gets no further than by silence
        if not notes:
            raise Untrusted("unsigned", "they are not signed; is the server older, or something in between?")
        signed = self._signed(notes)
        rules, known, items = ruleset.table.rules, self._items, dict[str, _Item]()
        hashes: dict[str, list[bytes]] = {project: [] for project in signed}
        used: dict[str, set[int]] = {project: set() for project in signed}
        for name, raw in rules.flags.items():  # spelt out: it runs 10,000 times for a change of one flag
            item = known.get(name)
            if item is None or item.raw is not raw:
                item = _item(name, raw)
            items[name] = item
            if item.project not in hashes:
                raise Untrusted("unsigned", f"the flag {name[:100]!r} belongs to no project that is signed")
            hashes[item.project].append(item.hash)
            if item.segments:
                used[item.project] |= item.segments
        self._items = items
        for project, found in signed.items():
            texts = [self._segment(id, rules.segments[id]) for id in used[project] if id in rules.segments]
            if digest_of(hashes[project] + texts, salt=found.statement.salt) != found.statement.digest:
                raise Untrusted("altered", f"the rules of the project {project} are not what was signed")
        if len(self._segments) > 2 * len(rules.segments) + 100:
            self._segments.clear()  # most are of rules that are gone
        return signed

    def _signed(self, notes: list[str]) -> dict[str, Signed]:
        """The statements by project, each good by itself: of the right log and place, and never older than seen."""
        known, environment = {item.note: item for item in self.held.values()}, self._environment
        signed: dict[str, Signed] = {}
        for note in notes:
            item = known.get(note) or Signed(read_signed(note, self.keys), note)
            said = item.statement
            environment = environment or said.environment
            if said.environment != environment:
                raise Untrusted("foreign", f"they are of the environment {said.environment}, not of {environment}")
            if said.project in signed:
                raise Untrusted("altered", f"the project {said.project} is signed twice")
            mark = self._marks.get(said.project)
            if mark is not None and said.revision < mark.revision:
                raise Untrusted("older", f"{said.project} is at {_dots(said)}, after {_dots(mark)} was in use")
            if mark is not None and said.revision == mark.revision and said != mark:
                raise Untrusted("altered", f"{said.project} has two rulesets of the revision {_dots(said)}")
            signed[said.project] = item
        wanted = self._marks.keys() if self._projects is None else self._projects
        missing = sorted(set(wanted) - signed.keys())
        if missing:
            raise Untrusted("missing", f"the project {missing[0]} is left out")
        return signed

    def _segment(self, id: int, raw: Mapping[str, Any]) -> bytes:
        known = self._segments.get(id)
        if known is None or known[0] is not raw:
            known = self._segments[id] = (raw, item_hash(SEGMENT, canonical_text(raw)))
        return known[1]


def _item(name: str, raw: Mapping[str, Any]) -> _Item:
    project = raw.get("project")
    if not isinstance(project, str):
        raise Untrusted("unsigned", f"the flag {name[:100]!r} belongs to no project")
    return _Item(raw, item_hash(FEATURE, canonical_text(raw)), project, used_segments(raw))


def _notes(read: Mapping[str, Any]) -> list[str]:
    """The signatures of a document: at the top of deltas, in `meta` of whole ones."""
    found = read.get("signatures")
    if found is None:
        meta = read.get("meta")
        found = meta.get("signatures") if isinstance(meta, Mapping) else None
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(note, str) for note in found):
        raise Untrusted("altered", "their signatures are malformed")
    return found


def _dots(statement: Statement) -> str:
    return f"{statement.epoch}.{statement.number}"
