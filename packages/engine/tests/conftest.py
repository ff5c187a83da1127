"""Fixtures of the engine's tests."""

import base64
import fcntl
import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

SPECIFICATION = "@unleash/client-specification@6.1.0"
INTEGRITY = "1LG5IPFb9ocM5yDpPBjZdNDtO8fC7UeRY+8wQgwtmuTL1fM+ZL7qqK7otV1fUQsKpioYG5vxN4EN7I57quygkQ=="
"""SHA-512 of the published package, in base64 as npm writes it."""

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The directory of the vectors that every implementation here must satisfy."""
    return REPOSITORY / "conformance"


@pytest.fixture(scope="session")
def specification() -> Path:
    """The folder that holds the specification's index.json, fetched once and checked against its hash."""
    cache = REPOSITORY / "var" / "client-specification-6.1.0"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test workers share the cache
        package = cache / "unleash-client-specification-6.1.0.tgz"
        if not package.exists():
            subprocess.run(
                ["npm", "pack", SPECIFICATION, "--pack-destination", str(cache)],
                check=True,
                capture_output=True,
                timeout=120,
            )
        digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        assert digest == INTEGRITY, "the package is not the one that was pinned"
        folder = cache / "package" / "specifications"
        if not (folder / "index.json").exists():
            with tarfile.open(package) as archive:
                archive.extractall(cache, filter="data")
    return folder
