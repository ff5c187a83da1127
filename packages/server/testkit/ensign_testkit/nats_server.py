"""A NATS of the tests' own: a real nats-server with JetStream, on loopback, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path


class NatsServer:
    """A running server; `stop` and `start` play its restart. `config` is more of its configuration file."""

    def __init__(self, config: str = "") -> None:
        program = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise RuntimeError("nats-server is not installed: run `make system-packages` (Debian package nats-server)")
        self._program = program
        self._root = Path(tempfile.mkdtemp(prefix="ensign-nats-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = self._root / "nats.conf"
        store = f'jetstream {{ store_dir: "{self._root / "data"}" }}'
        self._config.write_text(f"listen: 127.0.0.1:{self.port}\n{store}\n{config}\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start (again), with what was stored, and wait until it answers."""
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        pause = threading.Event()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                pause.wait(0.05)
        raise RuntimeError("nats-server did not start:\n" + (self._root / "log").read_text())

    def stop(self, *, number: int = signal.SIGKILL) -> None:
        """Stop it, as a crash would unless told otherwise."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def lose(self) -> None:
        """Forget everything that was stored; it must be stopped."""
        shutil.rmtree(self._root / "data", ignore_errors=True)

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)
