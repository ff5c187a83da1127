"""A PostgreSQL of the tests' own: fresh cluster, unix socket and loopback, two roles, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

OWNER, APPLICATION = "ensign_owner", "ensign_app"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: run `make system-packages` (Debian package postgresql)")
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A running server. ``admin`` connects as superuser; ``settings(role, name)`` are Django's for a database."""

    def __init__(self, *, durable: bool = False) -> None:
        self._bin = _binaries()
        self._root = Path(tempfile.mkdtemp(prefix="ensign-pg-"))
        self.port = _free_port()
        self._prefix: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self._root, account.pw_uid, account.pw_gid)
            self._prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._data = self._root / "data"
        self._run(
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        )
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        with self.admin() as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB")
            connection.execute(f"CREATE ROLE {APPLICATION} LOGIN")

    def _run(self, tool: str, *arguments: str) -> None:
        subprocess.run([*self._prefix, str(self._bin / tool), *arguments], check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start the server (again) and wait until it answers."""
        speed = (
            [] if self._durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        )
        log = (self._root / "log").open("ab")
        command = [
            str(self._bin / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            "-k",
            str(self._root),
        ]
        self._process = subprocess.Popen(
            [*self._prefix, *command, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", *speed],
            stdout=log, stderr=log, cwd="/",
        )  # fmt: skip
        log.close()
        self._run("pg_isready", "-h", str(self._root), "-p", str(self.port), "-t", "1") if self._ready() else None

    def _ready(self) -> bool:
        """Poll until the server accepts connections; its log is in the error otherwise."""
        for _ in range(100):
            done = subprocess.run(
                [str(self._bin / "pg_isready"), "-q", "-h", str(self._root), "-p", str(self.port), "-t", "1"],
                check=False,
            )
            if done.returncode == 0:
                return True
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                assert self._process is not None
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError("PostgreSQL did not start:\n" + (self._root / "log").read_text())

    def stop(self, *, immediately: bool = False) -> None:
        """Stop the server; ``immediately`` as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop(immediately=True)
        shutil.rmtree(self._root, ignore_errors=True)

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A superuser connection in autocommit."""
        return psycopg.connect(host=str(self._root), port=self.port, user="postgres", dbname=database, autocommit=True)

    def url(self, role: str, database: str) -> str:
        """A DATABASE_URL for ``role``."""
        return f"postgres://{role}@127.0.0.1:{self.port}/{database}"
