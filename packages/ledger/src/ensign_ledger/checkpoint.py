"""C2SP checkpoints (c2sp.org/tlog-checkpoint) and the keys that may sign them, by tree size.

A checkpoint's text is three lines: origin, tree size in decimal, base64 of the 32-byte root. Extension lines
are permitted by the specification but cannot be audited; Ensign writes none and refuses them.

A key list (``keys.txt``) has one line a key: ``<vkey> <from size> <to size or ->``. A key may sign a
checkpoint of tree size ``s`` if ``from <= s <= to``: validity by tree size needs no trusted clock, and two
overlapping lines are a rotation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ensign_ledger.canonical import MAX_INT
from ensign_ledger.note import Note, NoteError, VerifierKey, b64decode, b64encode, parse_note, parse_vkey

MAX_KEYS = 256
"""Most lines of a key list."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}").fullmatch


class CheckpointError(ValueError):
    """A checkpoint or key list that is malformed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's origin, its number of leaves and its 32-byte root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        # The origin is also the key's name, so it obeys the stricter rule of the two.
        if not self.origin or "+" in self.origin or any(c.isspace() or c < " " for c in self.origin):
            raise CheckpointError("an origin is not empty and has neither spaces nor plus signs")
        if not 0 <= self.size <= MAX_INT or len(self.root) != 32:
            raise CheckpointError("a checkpoint has a size in 0..2**53-1 and a root of 32 bytes")

    def text(self) -> str:
        """Return the note text that is signed, with its final newline."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key and the tree sizes that it may sign, ``from_size`` to ``to_size`` inclusive; None is open."""

    key: VerifierKey
    from_size: int = 0
    to_size: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.from_size <= MAX_INT:
            raise CheckpointError("a key is valid from a size in 0..2**53-1")
        if self.to_size is not None and not self.from_size <= self.to_size <= MAX_INT:
            raise CheckpointError("a key's last size is not below its first")

    def covers(self, size: int, /) -> bool:
        """Tell whether this key may sign a checkpoint of ``size`` leaves."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)

    def line(self) -> str:
        """Return the line of the key list with its newline."""
        end = "-" if self.to_size is None else str(self.to_size)
        return f"{self.key.vkey} {self.from_size} {end}\n"


def parse_checkpoint(data: bytes, /) -> tuple[Checkpoint, Note]:
    """Read a signed checkpoint; raises CheckpointError. The signatures are *not* verified here."""
    try:
        note = parse_note(data)
        lines = note.text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise CheckpointError("a checkpoint has the three lines origin, size and root")
        return Checkpoint(lines[0], _parse_size(lines[1]), b64decode(lines[2])), note
    except NoteError as error:
        raise CheckpointError(str(error)) from None


def parse_keys(data: bytes, /) -> list[LogKey]:
    """Read a key list; raises CheckpointError for anything but its exact form, an empty list included."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointError("a key list is valid UTF-8") from None
    if not text.endswith("\n"):
        raise CheckpointError("a key list has at least one line and ends with a newline")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_KEYS:
        raise CheckpointError(f"a key list has at most {MAX_KEYS} lines")
    keys = [_parse_key_line(line) for line in lines]
    if len({(item.key.name, item.key.key_id) for item in keys}) != len(keys):
        raise CheckpointError("a key list names each key once")
    return keys


def format_keys(keys: Iterable[LogKey], /) -> bytes:
    """Return the bytes that parse_keys reads."""
    return "".join(item.line() for item in keys).encode()


def _parse_key_line(line: str) -> LogKey:
    parts = line.split(" ")
    if len(parts) != 3:
        raise CheckpointError("a line of a key list is: verifier key, first size, last size or -")
    try:
        key = parse_vkey(parts[0])
    except NoteError as error:
        raise CheckpointError(str(error)) from None
    return LogKey(key, _parse_size(parts[1]), None if parts[2] == "-" else _parse_size(parts[2]))


def _parse_size(text: str) -> int:
    if _NUMBER(text) is None:
        raise CheckpointError("a size is a decimal number without leading zeroes")
    return int(text)
