"""The manifest: what a bundle holds, claims and who signed it (ledger-format, section 6).

It is canonical JSON without a trailing newline. Its signature is over a fixed prefix and the canonical bytes
of the manifest without the member ``signature``; the prefix keeps it apart from every checkpoint, whose
second line is a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ensign_ledger import ed25519
from ensign_ledger.canonical import MAX_INT, CanonicalError, decode, encode
from ensign_ledger.container import MAX_MEMBERS
from ensign_ledger.entry import is_digest
from ensign_ledger.note import NoteError, VerifierKey, b64decode, b64encode

FORMAT = "ensign-ledger-bundle"
VERSION = 1
NAME = "manifest.json"
REQUIRED_FILES = frozenset(
    {
        "checkpoint.end",
        "checkpoint.start",
        "consistency.json",
        "documents.jsonl",
        "entries.jsonl",
        "frontier.json",
        "keys.txt",
        "verify.py",
    }
)
OPTIONAL_FILES = frozenset({"anchors.jsonl", "earlier.jsonl"})
CLAIMS = frozenset({"all", "some", "none"})
MAX_MANIFEST = 1 << 20

_CONTEXT = b"ensign-ledger-bundle manifest v1\n"
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}").fullmatch
_MEMBERS = frozenset({"documents", "end", "export", "files", "format", "log", "signature", "start", "version"})


class ManifestError(ValueError):
    """A manifest that is malformed or whose signature does not verify."""


class UnsupportedError(ValueError):
    """A manifest of another format or version than this program knows."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A size in leaves and the 32-byte root."""

    size: int
    root: bytes

    def as_json(self) -> dict[str, Any]:
        """Return ``{"root": hex, "size": n}``."""
        return {"size": self.size, "root": self.root.hex()}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """SHA-256 (hex) and size in bytes of one file of the bundle."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """See the module. ``export`` is free: who exported, when, with which question."""

    log: str
    start: TreeHead
    end: TreeHead
    documents: str
    files: tuple[FileEntry, ...]
    export: Mapping[str, Any] = field(default_factory=dict)
    signed_by: str = ""
    signature: bytes = b""

    def message(self) -> bytes:
        """Return the bytes that the signature covers."""
        return _CONTEXT + encode(self._unsigned())

    def encode(self) -> bytes:
        """Return the bytes of manifest.json."""
        signature = {"key": self.signed_by, "value": b64encode(self.signature)}
        return encode({**self._unsigned(), "signature": signature})

    def signed(self, signature: bytes, /) -> "Manifest":
        """Return this manifest with the signature over its message."""
        return replace(self, signature=signature)

    def verify(self, key: VerifierKey, /) -> None:
        """Raise ManifestError unless ``key`` is the one named and its signature verifies."""
        if key.fingerprint != self.signed_by:
            raise ManifestError("the manifest names another key")
        if not ed25519.verify(public_key=key.public_key, message=self.message(), signature=self.signature):
            raise ManifestError(f"the manifest's signature by {key.fingerprint} does not verify")

    def _unsigned(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "log": self.log,
            "start": self.start.as_json(),
            "end": self.end.as_json(),
            "documents": self.documents,
            "files": [{"name": f.name, "sha256": f.sha256, "size": f.size} for f in self.files],
            "export": self.export,
        }


def parse_manifest(data: bytes, /) -> Manifest:
    """Read a manifest; raises ManifestError, or UnsupportedError for an unknown format or version."""
    try:
        value = decode(data)
    except CanonicalError as error:
        raise ManifestError(f"not canonical JSON: {error}") from None
    if not isinstance(value, dict):
        raise ManifestError("not an object")
    if value.get("format") != FORMAT:
        raise UnsupportedError(f"the format is {value.get('format')!r}; this program knows {FORMAT!r}")
    if type(value.get("version")) is not int or value["version"] != VERSION:
        raise UnsupportedError(f"the version is {value.get('version')!r}; this program knows {VERSION}")
    if value.keys() != _MEMBERS:
        raise ManifestError(f"expected exactly the members {', '.join(sorted(_MEMBERS))}")
    if not isinstance(value["log"], str) or not isinstance(value["export"], dict):
        raise ManifestError("log is not a text or export is not an object")
    if not isinstance(value["documents"], str) or value["documents"] not in CLAIMS:
        raise ManifestError("documents is not one of all, some, none")
    start, end = _head(value["start"], "start"), _head(value["end"], "end")
    if end.size < start.size:
        raise ManifestError("the end is before the start")
    fingerprint, signature = _signature(value["signature"])
    return Manifest(
        log=value["log"],
        start=start,
        end=end,
        documents=value["documents"],
        files=_files(value["files"]),
        export=value["export"],
        signed_by=fingerprint,
        signature=signature,
    )


def _object(value: Any, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise ManifestError(f"{what}: expected exactly the members {', '.join(sorted(keys))}")
    return value


def _size(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise ManifestError(f"{what}: not a size")
    return value


def _digest(value: Any, what: str) -> str:
    if not is_digest(value):
        raise ManifestError(f"{what}: not 64 lower-case hexadecimal digits")
    return str(value)


def _head(value: Any, what: str) -> TreeHead:
    head = _object(value, {"size", "root"}, what)
    return TreeHead(_size(head["size"], what), bytes.fromhex(_digest(head["root"], what)))


def _files(value: Any) -> tuple[FileEntry, ...]:
    if not isinstance(value, list) or len(value) >= MAX_MEMBERS:
        raise ManifestError("files: not a list of a bundle's files")
    files = []
    for item in value:
        member = _object(item, {"name", "sha256", "size"}, "files")
        if not isinstance(member["name"], str) or _FILE_NAME(member["name"]) is None:
            raise ManifestError("files: not a file name")
        files.append(FileEntry(member["name"], _digest(member["sha256"], "files"), _size(member["size"], "files")))
    names = [item.name for item in files]
    if names != sorted(set(names)):
        raise ManifestError("files: not in order of name, each once")
    if not REQUIRED_FILES <= set(names) <= REQUIRED_FILES | OPTIONAL_FILES:
        raise ManifestError("files: not the files of this version of the format")
    return tuple(files)


def _signature(value: Any) -> tuple[str, bytes]:
    member = _object(value, {"key", "value"}, "signature")
    if not isinstance(member["key"], str) or not isinstance(member["value"], str):
        raise ManifestError("signature: not texts")
    try:
        return member["key"], b64decode(member["value"])
    except NoteError as error:
        raise ManifestError(f"signature: {error}") from None
