"""Temporary files in memory, where the machine has room: a clone of a database is a thousand small files, and a commit
waits for the disk, which is most of the suite's time on a slow one (40 ms against a second for each test, measured).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

SHARED: Final = Path("/dev/shm")
ROOM: Final = 6 * 2**30
"""Bytes that must be free there, and of memory altogether; a run takes less than two."""


def folder() -> Path | None:
    """A new folder in memory that others may enter (PostgreSQL runs as an account of its own); None without room, or
    where programs may not be run from it, as tests build some.
    """
    try:
        there = os.statvfs(SHARED)
    except OSError:
        return None
    if there.f_flag & os.ST_NOEXEC or min(there.f_bavail * there.f_frsize, _available()) < ROOM:
        return None
    made = Path(tempfile.mkdtemp(prefix="ensign-tests-", dir=SHARED))
    made.chmod(0o755)
    return made


def _available() -> int:
    """Bytes of memory that programs may still take (proc(5), MemAvailable); 0 where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
