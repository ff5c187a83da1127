"""Installing the contract tests' clients from their registries, once per lock file, into ``var/``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ensign_testkit.contracts import CLIENTS, ROOT, pinned

VAR = ROOT / "var" / "contract-clients"


@contextmanager
def _folder(name: str, sources: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """A folder for what is built from ``sources``, and whether it was built from exactly these before.

    Several test workers share it: the first builds, the others wait.
    """
    folder = VAR / name
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    mark = folder / "built-from"
    with (VAR / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = mark.exists() and mark.read_text() == digest
        yield folder, done
        if not done:
            mark.write_text(digest)


def node_modules() -> Path:
    """Unleash's npm clients; returns the folder that holds ``node_modules``."""
    # Next.js itself, a peer of its SDK, is not needed to fetch and evaluate.
    return npm("node", CLIENTS, "--legacy-peer-deps")


def npm(name: str, source: Path, *options: str) -> Path:
    """What the ``package-lock.json`` in ``source`` names; returns the folder that holds ``node_modules``."""
    sources = [source / "package.json", source / "package-lock.json"]
    with _folder(name, sources) as (folder, done):
        if not done:
            for one in sources:
                shutil.copyfile(one, folder / one.name)
            _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options, cwd=folder)
    return folder


def java() -> tuple[str, ...]:
    """The command of the Java program, compiled against what Maven resolves from ``pom.xml``."""
    source = CLIENTS / "java"
    with _folder("java", [source / "pom.xml", source / "Client.java"]) as (folder, done):
        classes, jars = folder / "classes", folder / "jars"
        if not done:
            command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
            shutil.copyfile(source / "pom.xml", folder / "pom.xml")
            _run(*command, "-DincludeScope=runtime", cwd=folder)
            _run("javac", "-cp", f"{jars}/*", "-d", str(classes), str(source / "Client.java"), cwd=folder)
    return ("java", "-cp", f"{classes}:{jars}/*", "Client")


def go() -> tuple[str, ...]:
    """The command of the Go program."""
    source = CLIENTS / "go"
    with _folder("go", [source / "go.mod", source / "go.sum", source / "main.go"]) as (folder, done):
        if not done:
            _run("go", "build", "-buildvcs=false", "-o", str(folder / "client"), ".", cwd=source)
    return (str(folder / "client"),)


def rust() -> tuple[str, ...]:
    """The command of the Rust program."""
    source = CLIENTS / "rust"
    with _folder("rust", [source / "Cargo.toml", source / "Cargo.lock", source / "src/main.rs"]) as (folder, done):
        if not done:
            _run("cargo", "build", "--locked", "--quiet", "--target-dir", str(folder / "target"), cwd=source)
    return (str(folder / "target" / "debug" / "client"),)


def unleash_edge() -> str:
    """The command of Unleash's own Edge, which cargo installs: half an hour of two cores."""
    listed = CLIENTS / "crates.txt"
    with _folder("edge", [listed]) as (folder, done):
        if not done:
            command = ["cargo", "install", "--locked", "--quiet", "--root", str(folder), "--no-track"]
            _run(*command, "--version", pinned()["unleash-edge"], "unleash-edge", cwd=folder)
    return str(folder / "bin" / "unleash-edge")


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=3000, check=False, env=os.environ)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
