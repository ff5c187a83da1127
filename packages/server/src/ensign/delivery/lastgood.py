"""The last good state on disk, so that a node starts and serves with the database gone."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ensign.delivery.tokens import TokenRow


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file held: the contents of the rulesets, and the tokens' rows (hashes, never texts)."""

    contents: tuple[str, ...]
    tokens: tuple[TokenRow, ...]


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
            tokens = tuple(TokenRow(**{**row, "projects": tuple(row["projects"])}) for row in data["tokens"])
            return Kept(tuple(str(content) for content in data["rulesets"]), tokens)
        except (ValueError, TypeError, KeyError):
            return None

    def save(self, contents: Mapping[str, str], tokens: tuple[TokenRow, ...]) -> None:
        """Write a new file beside the old one, sync it, and put it in its place. Raises OSError."""
        body = json.dumps({"rulesets": list(contents.values()), "tokens": [asdict(row) for row in tokens]}).encode()
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
