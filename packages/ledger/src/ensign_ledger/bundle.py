"""Writes evidence bundles (docs/reference/ledger-format.md, section 6)."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from ensign_ledger import onefile
from ensign_ledger.anchors import parse_anchor
from ensign_ledger.canonical import MAX_ENTRY, encode
from ensign_ledger.checkpoint import Checkpoint, LogKey, format_keys, parse_checkpoint
from ensign_ledger.container import write_zip
from ensign_ledger.earlier import EarlierError, parse_earlier
from ensign_ledger.manifest import CLAIMS, NAME, FileEntry, Manifest, TreeHead
from ensign_ledger.merkle import Frontier, leaf_hash
from ensign_ledger.note import VerifierKey
from ensign_ledger.replay import MAX_DOCUMENT, RefusedError, check_document


class BundleError(ValueError):
    """What was handed to write_bundle does not make a bundle that would verify."""


class Signing(Protocol):
    """A key that signs: ``ensign_ledger.sign.Signer``, or one kept in a hardware module."""

    @property
    def key(self) -> VerifierKey:
        """The public half."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte Ed25519 signature over ``message``."""


def write_bundle(
    *,
    out: Path,
    entries: Iterable[bytes],
    frontier: Frontier,
    start: bytes,
    end: bytes,
    consistency: Sequence[bytes],
    keys: Sequence[LogKey],
    signer: Signing,
    documents: Iterable[bytes] = (),
    claim: str = "some",
    anchors: Iterable[bytes] = (),
    earlier: Iterable[bytes] = (),
    export: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a bundle to ``out``, a zip file if its name ends in ``.zip`` and a new directory otherwise.

    ``entries`` are the exact bytes of the entries [start.size, end.size) in order; ``frontier`` the tree
    before them; ``start`` and ``end`` signed checkpoints; ``consistency`` the proof between their sizes, empty
    from size 0. ``documents`` are exact bytes of canonical objects with a nonce, ``claim`` says whether they
    are all that the entries commit to ("all", "some", "none"). ``anchors`` are canonical lines, ``earlier`` the lines
    (``earlier.earlier_line``) of entries from before the range that it relies on, ``export`` is
    free canonical JSON (who exported, when, with which question). ``signer`` is one of ``keys``.

    Everything is streamed. Raises BundleError if the entries do not lead from the start to the end, and
    FileExistsError if ``out`` exists; in both cases nothing is left behind.
    """
    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out} exists")
    if claim not in CLAIMS:
        raise BundleError(f"claim is one of {', '.join(sorted(CLAIMS))}")
    if signer.key not in [item.key for item in keys]:
        raise BundleError("the signer is not among the keys")
    first, last = _range(start, end, frontier)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        # mkdtemp is private to this user; a bundle is for handing on.
        folder.chmod(0o755)
        files = [
            _write(folder, "checkpoint.start", [start]),
            _write(folder, "checkpoint.end", [end]),
            _write(folder, "keys.txt", [format_keys(keys)]),
            _write(folder, "frontier.json", [frontier.to_json()]),
            _write(folder, "consistency.json", [_consistency(first, last, consistency)]),
            _write(folder, "verify.py", [onefile.build()]),
            _write(folder, "entries.jsonl", _entry_lines(entries, frontier, last)),
            _write(folder, "documents.jsonl", _document_lines(documents)),
        ]
        anchor_lines = [_anchor_line(line) for line in anchors]
        if anchor_lines:
            files.append(_write(folder, "anchors.jsonl", anchor_lines))
        earlier_lines = [_earlier_line(line, first) for line in earlier]
        if earlier_lines:
            files.append(_write(folder, "earlier.jsonl", earlier_lines))
        manifest = _sign(first, last, claim, files, export or {}, signer)
        _write(folder, NAME, [manifest.encode()])
        _publish(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _range(start: bytes, end: bytes, frontier: Frontier) -> tuple[Checkpoint, Checkpoint]:
    (first, _), (last, _) = parse_checkpoint(start), parse_checkpoint(end)
    if first.origin != last.origin or first.size > last.size:
        raise BundleError("the checkpoints are of different logs, or the end is before the start")
    if (frontier.size, frontier.root()) != (first.size, first.root):
        raise BundleError("the frontier is of another tree than the start checkpoint")
    return first, last


def _entry_lines(entries: Iterable[bytes], frontier: Frontier, last: Checkpoint) -> Iterable[bytes]:
    tree = frontier.copy()
    for data in entries:
        if len(data) > MAX_ENTRY or b"\n" in data:
            raise BundleError(f"entry {tree.size} is too large or holds a newline")
        tree.append(leaf_hash(data))
        yield data + b"\n"
    if (tree.size, tree.root()) != (last.size, last.root):
        raise BundleError(f"the entries lead to size {tree.size}, not to the end checkpoint of {last.size}")


def _document_lines(documents: Iterable[bytes]) -> Iterable[bytes]:
    for data in documents:
        try:
            check_document(data)
        except RefusedError as error:
            raise BundleError(str(error)) from None
        if len(data) > MAX_DOCUMENT:
            raise BundleError(f"a document has more than {MAX_DOCUMENT} bytes")
        yield data + b"\n"


def _anchor_line(data: bytes) -> bytes:
    parse_anchor(data)
    return data + b"\n"


def _earlier_line(data: bytes, first: Checkpoint) -> bytes:
    try:
        parse_earlier(data, log=first.origin, size=first.size, root=first.root)
    except EarlierError as error:
        raise BundleError(str(error)) from None
    return data + b"\n"


def _consistency(first: Checkpoint, last: Checkpoint, proof: Sequence[bytes]) -> bytes:
    return encode({"first": first.size, "second": last.size, "hashes": [h.hex() for h in proof]})


def _sign(
    first: Checkpoint,
    last: Checkpoint,
    claim: str,
    files: Iterable[FileEntry],
    export: Mapping[str, Any],
    signer: Signing,
) -> Manifest:
    draft = Manifest(
        log=first.origin,
        start=TreeHead(first.size, first.root),
        end=TreeHead(last.size, last.root),
        documents=claim,
        files=tuple(sorted(files, key=lambda item: item.name)),
        export=export,
        signed_by=signer.key.fingerprint,
    )
    return draft.signed(signer.sign(draft.message()))


def _write(folder: Path, name: str, chunks: Iterable[bytes]) -> FileEntry:
    hasher, size = sha256(), 0
    with (folder / name).open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            hasher.update(chunk)
            size += len(chunk)
    return FileEntry(name, hasher.hexdigest(), size)


def _publish(folder: Path, out: Path) -> None:
    """Put the finished bundle under its name in one step."""
    if out.suffix != ".zip":
        folder.rename(out)
        return
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write_zip(source=folder, target=file)
        os.chmod(name, 0o644)
        os.rename(name, out)
    except BaseException:
        os.unlink(name)
        raise
