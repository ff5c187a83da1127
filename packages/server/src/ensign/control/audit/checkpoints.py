"""Signed checkpoints of the tree over all entries, and the keys that may sign them.

The log's key is named by its origin; its public half stands in the log's first entry, so that whoever holds an
old export knows which key to expect.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from ensign_ledger.checkpoint import Checkpoint, LogKey, parse_checkpoint
from ensign_ledger.merkle import Frontier
from ensign_ledger.note import Note, NoteError, parse_vkey, signers_of
from ensign_ledger.sign import Signer

from ensign.control.audit.models import Checkpoint as CheckpointRow
from ensign.control.audit.models import Entry, Head
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import write_door

_CHUNK = 10_000
_FILE = "ledger.key"


@lru_cache(maxsize=8)
def _signer(directory: Path, origin: str) -> Signer:
    named = [key.key.vkey for key in log_keys()]
    if named and not (directory / _FILE).exists():
        raise no_key(f"The key that signs this log is missing: there is no {directory / _FILE}.")
    signer = Signer(name=origin, seed=load_or_create(directory, _FILE))
    if named and signer.key.vkey not in named:
        raise no_key(f"{directory / _FILE} is not the key that signs this log; its print is {signer.key.fingerprint}.")
    return signer


def signer(origin: str) -> Signer:
    """The key that signs this log's checkpoints (``ledger.key`` in the keys directory, made with the log).

    :raises Unavailable: when it is missing, or is another log's: what that signs, nobody would believe.
    """
    return _signer(settings.KEYS_DIR, origin)


def no_key(message: str) -> Unavailable:
    """The error of a log without its key."""
    return Unavailable(
        message,
        remedy=f"Copy {_FILE} from where you keep the keys, or set ENSIGN_KEYS_DIR to the directory that holds it.",
    )


def require_key_of(note: Note, origin: str) -> None:
    """That the key at hand signed ``note``; makes none.

    :raises Unavailable: when there is no key, or another one.
    """
    path = settings.KEYS_DIR / _FILE
    if not path.exists():
        raise no_key(f"The key that signs this log is missing: there is no {path}.")
    held = Signer(name=origin, seed=load_or_create(settings.KEYS_DIR, _FILE)).key
    if not signed_by_log(note, [LogKey(held)], size=0):
        raise no_key(f"{path} did not sign this log; its print is {held.fingerprint}.")


def head() -> Head:
    """The head of the log.

    :raises Unavailable: before the first migration.
    """
    row = Head.objects.filter(pk=1).first()
    if row is None:
        raise Unavailable("The ledger has no head.", remedy="Run `ensign migrate` on this database.")
    return row


def log_keys() -> list[LogKey]:
    """The keys that the log itself names, with the tree sizes for which each is valid."""
    rows = Entry.objects.filter(action="log.created").order_by("seq").values_list("seq", "body")
    keys = [(seq, parse_vkey(json.loads(body)["detail"]["key"])) for seq, body in rows]
    return [LogKey(key, from_size=seq) for seq, key in keys]


def leaf_hashes(start: int, end: int) -> Iterator[bytes]:
    """Leaf hashes of entries ``start`` to ``end`` (exclusive), in order."""
    rows = Entry.objects.filter(seq__gte=start, seq__lt=end).order_by("seq").values_list("leaf_hash", flat=True)
    return (bytes.fromhex(value) for value in rows.iterator(chunk_size=_CHUNK))


def frontier_at(size: int) -> Frontier:
    """The frontier over the first ``size`` entries, continued from the last checkpoint at or below it."""
    row = CheckpointRow.objects.filter(size__lte=size).order_by("-size").first()
    frontier = Frontier() if row is None else _trusted(row)
    for leaf in leaf_hashes(frontier.size, size):
        frontier.append(leaf)
    if frontier.size != size:
        raise Unavailable(
            f"The log has {frontier.size} entries, {size} were expected.",
            remedy="Run `ensign ledger verify`; restore a backup if it reports missing entries.",
        )
    return frontier


def signed_by_log(note: Note, keys: Iterable[LogKey], *, size: int) -> bool:
    """Whether a key of the log that is valid at ``size`` signed ``note``, and none of them falsely."""
    try:
        return bool(signers_of(note, [key.key for key in keys if key.covers(size)]))
    except NoteError:
        return False


def _trusted(row: CheckpointRow) -> Frontier:
    """The stored frontier, after checking it against the signed root.

    :raises Unavailable: when it differs or no key of the log signed it.
    """
    frontier = Frontier.from_json(row.frontier.encode())
    checkpoint, note = parse_checkpoint(row.note.encode())
    agrees = (checkpoint.size, checkpoint.root) == (frontier.size, frontier.root())
    if not agrees or not signed_by_log(note, log_keys(), size=row.size):
        raise Unavailable(
            f"The checkpoint at size {row.size} does not match its frontier or its signature.",
            remedy="Run `ensign ledger verify` and find out who wrote to ledger_checkpoint.",
        )
    return frontier


def sign() -> tuple[Checkpoint, str]:
    """Sign (or find) the checkpoint of the log as it stands; returns it with its note text."""
    current = head()
    size, origin = current.size, current.origin
    row = CheckpointRow.objects.filter(pk=size).first()
    if row is not None:
        return parse_checkpoint(row.note.encode())[0], row.note
    frontier = frontier_at(size)
    checkpoint = Checkpoint(origin, size, frontier.root())
    note = signer(origin).sign_checkpoint(checkpoint).decode()
    with write_door():
        CheckpointRow.objects.bulk_create(
            [CheckpointRow(size=size, note=note, frontier=frontier.to_json().decode())], ignore_conflicts=True
        )
    return checkpoint, note
