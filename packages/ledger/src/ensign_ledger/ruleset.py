"""Signed rulesets (docs/reference/signed-rulesets.md): what is signed, how it is digested, and that it was logged.

A ruleset is a set of *items*, the flags and the segments that these use, in the shape of the wire. It is signed by a
*statement*, a C2SP signed note of the log's own key. Its first line holds spaces, which no log's origin does, so that
a statement can never be taken for a checkpoint, nor the other way round.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ensign_ledger.canonical import MAX_INT, CanonicalError
from ensign_ledger.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from ensign_ledger.entry import EntryError, decode_entry
from ensign_ledger.merkle import MerkleError, hashes_from_hex, leaf_hash, verify_inclusion
from ensign_ledger.note import NoteError, VerifierKey, parse_note, signers_of

HEADER = "Ensign ruleset v1"
FEATURE, SEGMENT = "feature", "segment"
"""The kinds of items."""

_NUMBER = r"0|[1-9][0-9]{0,15}"
_REVISION = re.compile(rf"({_NUMBER})\.({_NUMBER})").fullmatch
_SALT = re.compile(r"[0-9a-f]{32}").fullmatch
_DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch
_KEY = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}").fullmatch
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


class Untrusted(ValueError):
    """A ruleset, statement or proof that must not be believed.

    ``code`` is one of ``unsigned``, ``altered``, ``older``, ``foreign``, ``missing`` and ``proof``; the text says more.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """That the ruleset of a project and environment has this digest under this revision.

    ``salt`` (32 hex digits) goes into ``digest`` (64 hex digits), so that nobody can confirm a guess of old rules by
    the digest that stays in the log.
    """

    origin: str
    project: str
    environment: str
    epoch: int
    number: int
    salt: str
    digest: str

    @property
    def revision(self) -> tuple[int, int]:
        """(epoch, number), which never goes back."""
        return self.epoch, self.number

    def text(self) -> str:
        """The text that is signed, with its final newline."""
        lines = (HEADER, self.origin, self.project, self.environment, f"{self.epoch}.{self.number}")
        return "\n".join((*lines, self.salt, self.digest)) + "\n"

    def fact(self) -> dict[str, Any]:
        """What the log's entry says of it in clear, as a member of ``detail.rulesets``."""
        return {
            "environment": self.environment,
            "epoch": self.epoch,
            "number": self.number,
            "digest": self.digest,
        }

    @classmethod
    def parse(cls, text: str, /) -> "Statement":
        """Read what :meth:`text` wrote; raises Untrusted for anything else."""
        lines = text.split("\n")
        if len(lines) != 8 or lines[0] != HEADER or lines[7]:
            raise Untrusted("altered", "a signature is not that of a ruleset")
        _, origin, project, environment, revision, salt, digest, _ = lines
        found = _REVISION(revision)
        if found is None or not (_KEY(origin) and _KEY(project) and _KEY(environment)):
            raise Untrusted("altered", "a signature's statement is malformed")
        epoch, number = int(found[1]), int(found[2])
        if not _SALT(salt) or not _DIGEST(digest) or max(epoch, number) > MAX_INT:
            raise Untrusted("altered", "a signature's statement is malformed")
        return cls(
            origin=origin, project=project, environment=environment,
            epoch=epoch, number=number, salt=salt, digest=digest,
        )  # fmt: skip


def canonical_text(item: Mapping[str, Any], /) -> bytes:
    """The UTF-8 bytes of a flag or segment of the wire by which it is hashed.

    RFC 8785, as rulesets hold no floats and no keys beyond U+FFFF. A verifier need not check that: whatever else there
    is has another text than the one that was signed. Raises Untrusted for what has none.
    """
    try:
        return _dumps(item).encode()
    except (ValueError, TypeError, RecursionError) as problem:
        raise Untrusted("altered", f"a flag or segment cannot be written canonically: {problem}") from None


def item_hash(kind: str, text: bytes, /) -> bytes:
    """The 32-byte hash of an item from its kind and canonical text."""
    return sha256(kind.encode() + b"\n" + text).digest()


def digest_of(hashes: Iterable[bytes], *, salt: str) -> str:
    """The digest of a ruleset, in hex, from the hashes of its items in any order."""
    return sha256(HEADER.encode() + b"\n" + bytes.fromhex(salt) + b"".join(sorted(hashes))).hexdigest()


def used_segments(feature: Mapping[str, Any], /) -> frozenset[int]:
    """The ids of the segments that a flag's strategies refer to. Raises Untrusted where that cannot be read."""
    try:
        return frozenset(
            id for strategy in feature.get("strategies") or () for id in strategy.get("segments") or ()
        )  # fmt: skip
    except (TypeError, AttributeError):
        raise Untrusted("altered", "a flag's strategies are malformed") from None


def ruleset_digest(
    features: Iterable[Mapping[str, Any]], segments: Mapping[int, Mapping[str, Any]], *, salt: str
) -> str:
    """The digest of whole objects: of ``features``, and of those of ``segments`` that they use."""
    found = list(features)
    used: set[int] = set().union(*map(used_segments, found))
    hashes = [item_hash(FEATURE, canonical_text(feature)) for feature in found]
    hashes += [item_hash(SEGMENT, canonical_text(segments[id])) for id in used if id in segments]
    return digest_of(hashes, salt=salt)


def read_signed(note: str, keys: Iterable[VerifierKey], /) -> Statement:
    """The statement of a signed note, when one of ``keys`` has signed it and bears the name of its log.

    Raises Untrusted.
    """
    try:
        parsed = parse_note(note.encode())
        statement = Statement.parse(parsed.text)
        signers = signers_of(parsed, keys)
    except (NoteError, UnicodeEncodeError) as problem:
        raise Untrusted("altered", f"a signature does not count: {problem}") from None
    if all(key.name != statement.origin for key in signers):
        raise Untrusted("foreign", f"the ruleset is of the log {statement.origin}, which has another key")
    return statement


def verify_proof(proof: object, statement: Statement, keys: Iterable[VerifierKey], /) -> Checkpoint:
    """The checkpoint that proves that the log holds an entry which vouches for ``statement``. Raises Untrusted.

    ``proof`` has ``entry`` (the entry's exact text), ``index``, ``path`` (hashes in hex, nearest the leaf first) and
    ``checkpoint`` (a signed note).
    """
    try:
        if not isinstance(proof, Mapping):
            raise Untrusted("proof", "a proof is no object")
        data, index = str(proof["entry"]).encode(), proof["index"]
        checkpoint, note = parse_checkpoint(str(proof["checkpoint"]).encode())
        path = hashes_from_hex(proof["path"])
        signers = signers_of(note, keys)
        entry = decode_entry(data)
    except (KeyError, UnicodeEncodeError, CheckpointError, NoteError, MerkleError, CanonicalError, EntryError) as error:
        raise Untrusted("proof", f"the proof is malformed: {error}") from None
    if checkpoint.origin != statement.origin or all(key.name != checkpoint.origin for key in signers):
        raise Untrusted("proof", "the proof's checkpoint is that of another log")
    if type(index) is not int or not verify_inclusion(
        leaf=leaf_hash(data), index=index, size=checkpoint.size, proof=path, root=checkpoint.root
    ):
        raise Untrusted("proof", "the log of that checkpoint does not hold the entry")
    if entry["log"] != statement.origin or entry["seq"] != index or not _vouches(entry, statement):
        raise Untrusted("proof", "the entry does not vouch for this ruleset")
    return checkpoint


def _vouches(entry: Mapping[str, Any], statement: Statement) -> bool:
    facts = entry.get("detail", {}).get("rulesets")
    project = entry.get("where", {}).get("project")
    return project == statement.project and isinstance(facts, list) and statement.fact() in facts
