"""Node packages for tests, installed once from a committed lock."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path


def installed(folder: Path, cache: Path) -> Path:
    """``cache``, with what the ``package-lock.json`` in ``folder`` names in it; several workers share one."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (folder / "package-lock.json").read_bytes()
        done = cache / "installed"
        if not done.exists() or done.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(folder / name, cache / name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=cache, check=True, capture_output=True, timeout=180)
            done.write_bytes(wanted)
    return cache
