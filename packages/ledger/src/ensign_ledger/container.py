"""Where a bundle's files lie: in a directory, or in a zip file of one exact layout.

A zip file has many readings (members twice, headers that disagree, bytes between members, a comment), so that
two programs may see different files in it. Here every byte of the container is determined by the files' names
and contents: members stored without compression in order of name, fixed time, no extra fields, no comment,
nothing before, between or after. The reader rebuilds every header and compares. Any zip program extracts it.
"""

import io
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

MAX_MEMBERS = 64
MAX_ZIP = 0xFFFF_FFFF
"""A zip file of this layout stays below 4 GiB; a larger bundle is a directory."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}").fullmatch
_CHUNK = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX = 20, 3 << 8
_DOS_TIME, _DOS_DATE = 0, 0x21  # 1980-01-01 00:00
_MODE = 0o100644 << 16


class ContainerError(ValueError):
    """A directory or zip file that does not hold a bundle's files in the one accepted way."""


class Container(Protocol):
    """The files of a bundle by name."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """File sizes in bytes by name, in order of name."""

    def open(self, name: str, /) -> BinaryIO:
        """Open one file for reading; the caller closes it."""


def open_container(path: Path, /) -> "Directory | ZipFile":
    """Open a directory or zip file; raises ContainerError, or OSError if it cannot be read."""
    return Directory(path) if path.is_dir() else ZipFile(path)


class Directory:
    """A folder that holds regular files only: no links, no folders, no special files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        sizes: dict[str, int] = {}
        with os.scandir(path) as items:
            for item in items:
                if not item.is_file(follow_symlinks=False):
                    raise ContainerError(f"{item.name!r} is not a regular file")
                if len(sizes) >= MAX_MEMBERS:
                    raise ContainerError(f"more than {MAX_MEMBERS} files")
                sizes[item.name] = item.stat(follow_symlinks=False).st_size
        self._sizes = dict(sorted(sizes.items()))

    @property
    def sizes(self) -> Mapping[str, int]:
        """See Container."""
        return self._sizes

    def open(self, name: str, /) -> BinaryIO:
        """See Container."""
        if name not in self._sizes:
            raise ContainerError(f"{name} is missing")
        return (self._path / name).open("rb")


class ZipFile:
    """A zip file of the exact layout that write_zip makes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._members = _read_layout(file)
        self._sizes = {name: member[1] for name, member in self._members.items()}

    @property
    def sizes(self) -> Mapping[str, int]:
        """See Container."""
        return self._sizes

    def open(self, name: str, /) -> BinaryIO:
        """See Container. Reading to the end raises ContainerError if the content fails its CRC-32."""
        if name not in self._members:
            raise ContainerError(f"{name} is missing")
        start, size, crc = self._members[name]
        file = self._path.open("rb")
        file.seek(start)
        return io.BufferedReader(_Member(file, size, crc), _CHUNK)


class _Member(io.RawIOBase):
    """One stored member: ``size`` bytes of ``file`` from where it stands."""

    def __init__(self, file: BinaryIO, size: int, crc: int) -> None:
        self._file, self._left, self._expected, self._crc = file, size, crc, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed: WriteableBuffer is private
        data = self._file.read(min(len(buffer), self._left))
        if len(data) < min(len(buffer), self._left):
            raise ContainerError("the zip file ends within a member")
        buffer[: len(data)] = data
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if not self._left and self._crc != self._expected:
            raise ContainerError("a member of the zip file fails its CRC-32")
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def digest(container: Container, name: str, /) -> tuple[str, int]:
    """Return the SHA-256 (hex) and the number of bytes actually read of one file."""
    hasher, count = sha256(), 0
    with container.open(name) as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            count += len(chunk)
    return hasher.hexdigest(), count


def read_small(container: Container, name: str, /, *, limit: int) -> bytes:
    """Return a whole file of at most ``limit`` bytes; raises ContainerError if it is larger."""
    with container.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ContainerError(f"{name} is larger than {limit} bytes")
    return data


def lines(container: Container, name: str, /, *, limit: int) -> Iterator[bytes]:
    """Yield the lines of a file without their newline, each of at most ``limit`` bytes.

    Raises ContainerError for a longer line or a last line without a newline.
    """
    with container.open(name) as file:
        while line := file.readline(limit + 2):
            if not line.endswith(b"\n"):
                problem = f"has a line over {limit} bytes" if len(line) > limit else "ends within a line"
                raise ContainerError(f"{name} {problem}")
            yield line[:-1]


def write_zip(*, source: Path, target: BinaryIO) -> None:
    """Write a directory's files as a zip file of the exact layout; raises ContainerError if too large."""
    container = Directory(source)
    members: list[tuple[bytes, int, int, int]] = []
    offset = 0
    for name, size in container.sizes.items():
        if _NAME(name) is None:
            raise ContainerError(f"{name!r} is not a name of a bundle's file")
        if offset + size > MAX_ZIP - _CHUNK:
            raise ContainerError("too large for one zip file (4 GiB): write the bundle as a directory")
        crc = 0
        with container.open(name) as file:
            while chunk := file.read(_CHUNK):
                crc = zlib.crc32(chunk, crc)
            file.seek(0)
            target.write(_local(name.encode(), crc, size))
            while chunk := file.read(_CHUNK):
                target.write(chunk)
        members.append((name.encode(), crc, size, offset))
        offset += _LOCAL.size + len(name) + size
    target.write(_directory(members, offset))


def _local(name: bytes, crc: int, size: int) -> bytes:
    fields = (_VERSION, 0, 0, _DOS_TIME, _DOS_DATE, crc, size, size, len(name), 0)
    return _LOCAL.pack(b"PK\x03\x04", *fields) + name


def _directory(members: list[tuple[bytes, int, int, int]], start: int) -> bytes:
    central = b""
    for name, crc, size, offset in members:
        fields = (_UNIX | _VERSION, _VERSION, 0, 0, _DOS_TIME, _DOS_DATE, crc, size, size, len(name))
        central += _CENTRAL.pack(b"PK\x01\x02", *fields, 0, 0, 0, 0, _MODE, offset) + name
    count = len(members)
    return central + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(central), start, 0)


def _read_layout(file: BinaryIO) -> dict[str, tuple[int, int, int]]:
    """Return offset, size and CRC-32 of each member's content, having compared every other byte."""
    total = file.seek(0, os.SEEK_END)
    if not _END.size <= total <= MAX_ZIP:
        raise ContainerError("not a bundle: neither a directory nor a zip file of the expected layout")
    file.seek(total - _END.size)
    end = _END.unpack(file.read(_END.size))
    count, length, start = end[3], end[5], end[6]
    if end[0] != b"PK\x05\x06" or start + length + _END.size != total:
        raise ContainerError("not a zip file of the expected layout (or bytes follow its end)")
    if count > MAX_MEMBERS or length > MAX_MEMBERS * (_CENTRAL.size + 64):
        raise ContainerError(f"more than {MAX_MEMBERS} files")
    file.seek(start)
    central = file.read(length)
    members: list[tuple[bytes, int, int, int]] = []
    contents: dict[str, tuple[int, int, int]] = {}
    at = offset = 0
    for _ in range(count):
        if at + _CENTRAL.size > length:
            raise ContainerError("the zip file's directory is cut short")
        fields = _CENTRAL.unpack_from(central, at)
        crc, size, name_length = fields[7], fields[8], fields[10]
        name = central[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        text = name.decode("ascii", "replace")
        if _NAME(text) is None or (members and members[-1][0] >= name):
            raise ContainerError("the zip file's members are not in order of name, each once")
        file.seek(offset)
        header = file.read(_LOCAL.size + len(name))
        if header != _local(name, crc, size) or (crc and not size):
            raise ContainerError(f"the zip file's header of {text} is not as expected")
        members.append((name, crc, size, offset))
        contents[text] = (offset + _LOCAL.size + len(name), size, crc)
        at += _CENTRAL.size + len(name)
        offset += _LOCAL.size + len(name) + size
    file.seek(start)
    if offset != start or file.read() != _directory(members, start):
        raise ContainerError("the zip file's directory is not as expected")
    return contents
