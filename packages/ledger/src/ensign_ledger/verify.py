"""Verify an evidence bundle offline (ledger-format, section 9).

Numbered as in ``report.CHECKS`` and in the code below:

 1. every file is there, listed and unchanged      9. the end checkpoint extends the start checkpoint
 2. the manifest is signed by a key of the log    10. each change starts from what the previous one left
 3. key origin: the key is one the caller named   11. every document is one that an entry commits to
 4. the start checkpoint is signed                12. no document is missing without a redaction
 5. the end checkpoint is signed                  13. approvals: enough, of other people, beforehand
 6. the frontier is the start checkpoint's tree   14. what was approved is what was applied
 7. every entry is well formed and in order       15. protected environments needed approval
 8. all entries give the end checkpoint's root    16. anchors agree
                                                  17. signed approvals are their approvers'
                                                  18. emergencies were opened, and are reviewed
                                                  19. policies that are shown were met

Everything fails closed: a check that could not run is NOT_CHECKED, and a report is valid only if every
required check is VALID. Keys in the bundle prove only that the bundle agrees with itself; whoever relies on
it names the key's fingerprint, learnt by another way (check 3).
Entries are streamed; memory holds one small record per governed object, document and anchor.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from ensign_ledger.canonical import CanonicalError, decode
from ensign_ledger.checkpoint import Checkpoint, CheckpointError, LogKey, parse_checkpoint, parse_keys
from ensign_ledger.container import Container, ContainerError, digest, open_container, read_small
from ensign_ledger.manifest import (
    MAX_MANIFEST,
    NAME,
    Manifest,
    ManifestError,
    TreeHead,
    UnsupportedError,
    parse_manifest,
)
from ensign_ledger.merkle import EMPTY_ROOT, Frontier, MerkleError, hashes_from_hex, verify_consistency
from ensign_ledger.note import MAX_NOTE, NoteError, signers_of
from ensign_ledger.replay import NotReachedError, RefusedError, need, replay
from ensign_ledger.report import CHECKS, HASH_CHECKS, SEMANTIC_CHECKS, Check, Outcome, Report
from ensign_ledger.semantics import Answer

_MAX_KEYS_FILE = 256 * 1024
_MAX_PROOF = 64 * 1024
_REFUSALS = (
    CanonicalError,
    CheckpointError,
    ContainerError,
    ManifestError,
    MerkleError,
    NoteError,
)


def verify_bundle(path: Path, /, *, keys: Iterable[str] = (), semantics: bool = True) -> Report:
    """Verify the bundle at ``path``, a directory or a zip file.

    ``keys`` are fingerprints (in the spelling of ``note.parse_fingerprint``) of keys that the caller trusts;
    without one, check 3 is NOT_CHECKED. ``semantics=False`` checks hashes and signatures only.
    Raises OSError if the path cannot be read; anything wrong *in* the bundle is in the report.
    """
    return _Verification(path, frozenset(keys), semantics).run()


class _Verification:
    """One run. What a check establishes for later ones is kept here, None until then."""

    def __init__(self, path: Path, trusted: frozenset[str], semantics: bool) -> None:
        self._path = path
        self._trusted = trusted
        self._semantics = semantics
        self._outcomes: dict[int, Answer] = {}
        self._container: Container | None = None
        self._manifest: Manifest | None = None
        self._keys: list[LogKey] | None = None
        self._signed_by: str | None = None
        self._start: Checkpoint | None = None
        self._end: Checkpoint | None = None
        self._tree: Frontier | None = None

    def run(self) -> Report:
        """Run the checks in order and report."""
        try:
            self._check(1, self._files)
        except UnsupportedError as error:
            return self._report(unsupported=str(error))
        self._check(2, self._manifest_signature)
        self._check(3, self._key_origin)
        self._check(4, self._start_checkpoint)
        self._check(5, self._end_checkpoint)
        self._check(6, self._frontier)
        self._check(8, self._entries)  # also answers 7 and 10 to 19, from the same single pass
        self._check(9, self._consistency)
        return self._report()

    def _check(self, number: int, step: Callable[[], Answer]) -> None:
        try:
            self._outcomes[number] = step()
        except NotReachedError as reason:
            self._outcomes[number] = Outcome.NOT_CHECKED, f"not reached: {reason}"
        except (RefusedError, *_REFUSALS) as error:
            self._outcomes[number] = Outcome.INVALID, str(error)

    def _report(self, *, unsupported: str | None = None) -> Report:
        missing: Answer = (Outcome.NOT_CHECKED, "not reached")
        manifest = self._manifest
        return Report(
            checks=tuple(Check(number, *self._outcomes.get(number, missing)) for number in CHECKS),
            required=HASH_CHECKS | SEMANTIC_CHECKS if self._semantics else HASH_CHECKS,
            log=manifest.log if manifest else None,
            start=manifest.start.size if manifest else None,
            end=manifest.end.size if manifest else None,
            signed_by=self._signed_by,
            unsupported=unsupported,
        )

    # 1 ------------------------------------------------------------------------------------------------

    def _files(self) -> Answer:
        self._container = container = open_container(self._path)
        if NAME not in container.sizes:
            raise RefusedError(f"{NAME} is missing")
        self._manifest = manifest = parse_manifest(read_small(container, NAME, limit=MAX_MANIFEST))
        listed = {item.name: item for item in manifest.files}
        present = set(container.sizes) - {NAME}
        if absent := sorted(listed.keys() - present):
            raise RefusedError(f"{absent[0]} is missing")
        if extra := sorted(present - listed.keys()):
            raise RefusedError(f"{extra[0]!r} does not belong to the bundle")
        for name, item in listed.items():
            if digest(container, name) != (item.sha256, item.size):
                raise RefusedError(f"{name} is not the file that was signed: its content was changed")
        return Outcome.VALID, f"{len(listed)} files as listed, and the list itself"

    # 2, 3 ---------------------------------------------------------------------------------------------

    def _manifest_signature(self) -> Answer:
        manifest = need(self._manifest, "no readable manifest")
        self._keys = keys = parse_keys(self._read("keys.txt", _MAX_KEYS_FILE))
        for item in keys:
            if item.key.fingerprint != manifest.signed_by:
                continue
            if item.to_size is not None and item.to_size < manifest.end.size:
                raise RefusedError("the manifest is signed by a key that was retired before its end")
            manifest.verify(item.key)
            self._signed_by = item.key.fingerprint
            return Outcome.VALID, f"signed by {item.key.name}, {item.key.fingerprint}"
        raise RefusedError("the manifest is signed by a key that keys.txt does not list")

    def _key_origin(self) -> Answer:
        if not self._trusted:
            return Outcome.NOT_CHECKED, "no key was named; whoever made this bundle chose the key"
        claimed = need(self._manifest, "no readable manifest").signed_by
        if claimed not in self._trusted:
            raise RefusedError(f"the bundle is signed by {claimed}, not by a key that you named")
        if self._signed_by is None:
            raise RefusedError("the signature of the key that you named does not verify")
        return Outcome.VALID, f"{self._signed_by} is the key that you named"

    # 4, 5, 6 ------------------------------------------------------------------------------------------

    def _start_checkpoint(self) -> Answer:
        manifest = need(self._manifest, "no readable manifest")
        self._start, answer = self._checkpoint("checkpoint.start", manifest.start)
        return answer

    def _end_checkpoint(self) -> Answer:
        manifest = need(self._manifest, "no readable manifest")
        self._end, answer = self._checkpoint("checkpoint.end", manifest.end)
        return answer

    def _checkpoint(self, name: str, claim: TreeHead) -> tuple[Checkpoint, Answer]:
        log = need(self._manifest, "no readable manifest").log
        keys = need(self._keys, "no readable keys.txt")
        point, note = parse_checkpoint(self._read(name, MAX_NOTE))
        if point.origin != log:
            raise RefusedError(f"it is of the log {point.origin}, the manifest is of {log}")
        signers = signers_of(note, [item.key for item in keys if item.covers(point.size)])
        if TreeHead(point.size, point.root) != claim:
            raise RefusedError("it is not the checkpoint that the manifest names")
        if point.size == 0 and point.root != EMPTY_ROOT:
            raise RefusedError("a tree without entries has another root")
        return point, (Outcome.VALID, f"size {point.size}, signed by {signers[0].fingerprint}")

    def _frontier(self) -> Answer:
        start = need(self._start, "no start checkpoint")
        tree = Frontier.from_json(self._read("frontier.json", _MAX_PROOF))
        if tree.size != start.size or tree.root() != start.root:
            raise RefusedError("the frontier is of another tree than the start checkpoint")
        self._tree = tree
        return Outcome.VALID, f"{tree.size} earlier entries"

    # 7, 8, 10 to 19 -----------------------------------------------------------------------------------

    def _entries(self) -> Answer:
        """Pass over the entries once; that one pass also answers 7 and 10 to 19."""
        answers = replay(
            need(self._container, "no files"),
            tree=need(self._tree, "no start tree").copy(),
            end=need(self._end, "no end checkpoint"),
            claim=need(self._manifest, "no readable manifest").documents,
            semantics=self._semantics,
        )
        self._outcomes.update(answers)
        return answers[8]

    # 9 ------------------------------------------------------------------------------------------------

    def _consistency(self) -> Answer:
        start = need(self._start, "no start checkpoint")
        end = need(self._end, "no end checkpoint")
        value = decode(self._read("consistency.json", _MAX_PROOF))
        if not isinstance(value, dict) or value.keys() != {"first", "second", "hashes"}:
            raise RefusedError("expected exactly the members first, second and hashes")
        proof = hashes_from_hex(value["hashes"])
        if (value["first"], value["second"]) != (start.size, end.size):
            raise RefusedError("the proof is for other sizes than the checkpoints'")
        if start.size == 0:
            # Nothing precedes the empty tree, and check 4 compared its root: an empty proof says it all.
            if proof:
                raise RefusedError("a proof from the empty tree is empty")
            return Outcome.VALID, "the range starts with the log's first entry"
        if not verify_consistency(
            first=start.size, second=end.size, first_root=start.root, second_root=end.root, proof=proof
        ):
            raise RefusedError("the end checkpoint is not of a tree that extends the start checkpoint's")
        return Outcome.VALID, f"from {start.size} to {end.size}, by {len(proof)} hashes"

    def _read(self, name: str, limit: int) -> bytes:
        container = need(self._container, "no files")
        if name not in container.sizes:
            raise NotReachedError(f"{name} is missing")
        return read_small(container, name, limit=limit)
