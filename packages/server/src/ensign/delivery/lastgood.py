"""The last good state on disk, so that a node starts and serves with its source gone."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from ensign.delivery.held import Held
from ensign.delivery.history import RevisionRow
from ensign.delivery.tokens import TokenRow

log = logging.getLogger("ensign.delivery")

MAX_HISTORY = 1024 * 1024
"""Bytes of deltas that are kept; a client that would need older ones gets everything after a restart."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file held: the contents of the rulesets by id, the tokens' rows (hashes, never texts), the history."""

    contents: Mapping[str, str]
    tokens: tuple[TokenRow, ...]
    revisions: tuple[RevisionRow, ...]
    floor: int
    number: int


class LastGood:
    """One file, replaced as a whole and synced; whatever is damaged in it counts as no file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> Kept | None:
        """What was saved last, or None. Raises OSError when there is a file that cannot be read."""
        try:
            checksum, _, body = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            return None
        try:
            data = json.loads(body)
            return Kept(
                {str(id): str(content) for id, content in data["rulesets"].items()},
                tuple(TokenRow(**{**row, "projects": tuple(row["projects"])}) for row in data["tokens"]),
                tuple(RevisionRow(*row) for row in data["revisions"]),
                int(data["floor"]),
                int(data["number"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, held: Held) -> None:
        """Write a new file beside the old one, sync it, and put it in its place. Raises OSError."""
        body = _body(held)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)  # readable by the owner alone
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise


class Keeper:
    """Saves the newest state in a thread of its own: a slow disk must not hold up the next change."""

    def __init__(self, file: LastGood) -> None:
        self._file = file
        self._newest: Held | None = None
        self._failing = False
        self._stopping = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ensign-delivery-keeper", daemon=True)
        self._thread.start()

    def keep(self, held: Held) -> None:
        """Have `held` saved, unless a newer one comes before its turn."""
        with self._changed:
            self._newest = held
            self._changed.notify()

    def stop(self) -> None:
        """Save what was given last, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._stopping)
                held, self._newest = self._newest, None
            if held is None:
                return
            try:
                self._file.save(held)
                self._failing = False
            except OSError as problem:
                if not self._failing:
                    log.error("cannot keep the last good state on disk: %s", problem.strerror)
                self._failing = True


def _body(held: Held) -> bytes:
    history = held.latest.history
    rows, floor = history.rows([copy.place for copy in held.copies.values()]), history.floor
    size, kept = 0, len(rows)
    while kept and (size := size + len(rows[kept - 1].delta or "")) <= MAX_HISTORY:
        kept -= 1
    if kept:
        floor = rows[kept - 1].number
    return json.dumps(
        {
            "rulesets": {id: copy.content for id, copy in held.copies.items()},
            "tokens": [asdict(row) for row in held.tokens],
            "revisions": [astuple(row) for row in rows[kept:]],
            "floor": floor,
            "number": history.covered,
        }
    ).encode()
