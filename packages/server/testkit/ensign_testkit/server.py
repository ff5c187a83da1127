"""A real `ensign serve` in a process of its own, from a fresh data directory, and the terminal's other commands."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENSIGN = str(Path(sys.executable).with_name("ensign"))


def environment(data_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of an installation in ``data_dir``, without anything of the test run's own."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, "ENSIGN_DATA_DIR": str(data_dir), "NO_COLOR": "1", "COLUMNS": "200", **(extra or {})}


def run(
    data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = (), **options: Any
) -> Any:
    """Run `ensign <arguments>` to its end, under the command ``prefix``; returns the process with its text output."""
    command = [*prefix, ENSIGN, *arguments]
    return subprocess.run(
        command,
        env=environment(data_dir, env),
        cwd=data_dir.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@dataclass
class Answer:
    """A response, read."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Server:
    """A running server, or edge. ``lines`` is all that it has printed."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: str = "serve",
        port: int = 0,
        prefix: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self.lines: list[str] = []
        self._news: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [*prefix, ENSIGN, command, "--port", str(port), *arguments],
            env=environment(data_dir, env),
            cwd=data_dir.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.wait_for(r"serves on (http://\S+)", seconds=60)[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._news.put(line)
        self._news.put(None)

    def wait_for(self, pattern: str, *, seconds: float = 20) -> re.Match[str]:
        """The first printed line that matches; fails with everything printed when there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, "".join(self.lines))
            if found:
                return found
            try:
                ended = self._news.get(timeout=max(0.01, deadline - time.monotonic())) is None
            except queue.Empty:
                ended = True
            if ended and not re.search(pattern, "".join(self.lines)):
                raise AssertionError(f"{pattern!r} was not printed:\n" + "".join(self.lines))

    @property
    def setup_link(self) -> str:
        """The path of the one-time set-up link that was printed."""
        return "/setup/" + self.wait_for(r"/setup/([\w-]+)")[1]

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request over a connection of its own; ``body`` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """A GET."""
        return self.request("GET", path, headers=headers)

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@contextmanager
def serving(data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server for the block."""
    server = Server(data_dir, *arguments, env=env)
    try:
        yield server
    finally:
        server.stop()
