"""Client programs of the contract tests: each in a process of its own, asked over standard input, answering JSON lines.

A program gets one argument, JSON ``{"url", "token", "app", "mode", "flags", "contexts", "watch", "folder"}``: the base
that the SDK's manual asks for (``…/api``, browsers ``…/api/frontend``), and a folder of its own for caches. It prints
``"ready"`` once it has rules, or after ten seconds without any. Then it answers, one line each:

* ``watch``: whether the flag ``watch`` is on for the first context;
* ``answers``: for every flag a list with ``[on, variant, payload or null]`` for every context;
* ``end``: ``"ended"``, after the last counts are sent; then it exits.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PATIENCE = 60.0
"""Seconds for one answer: far beyond what it takes."""


class Program:
    """A running client program."""

    def __init__(self, command: Sequence[str], given: Mapping[str, Any], *, cwd: Path | None = None) -> None:
        # A program in Python may drive Chromium with the testkit's help.
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [*command, json.dumps(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=cwd, env=env,
        )  # fmt: skip
        for pipe, keep in ((self._process.stdout, self._lines.put), (self._process.stderr, self._said.append)):
            assert pipe is not None
            threading.Thread(target=_read, args=(pipe, keep), daemon=True).start()
        threading.Thread(target=self._mourn, daemon=True).start()

    def _mourn(self) -> None:
        self._process.wait()
        time.sleep(0.5)  # what it printed last may still be on its way
        self._lines.put(None)

    def hear(self) -> Any:
        """The next line's JSON. Fails, with what it printed to its error output, when there is none."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            line = None
        assert line is not None, "no answer; it said:\n" + "".join(self._said[-40:])
        return json.loads(line)

    def ask(self, word: str) -> Any:
        """One question and its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; `hear` says so with what it printed
        return self.hear()

    def until(self, word: str, wanted: Any, *, seconds: float = 60.0) -> None:
        """Ask again and again until the answer is ``wanted``."""
        deadline = time.monotonic() + seconds
        while (answer := self.ask(word)) != wanted:
            assert time.monotonic() < deadline, f"{word}: still {answer}; it said:\n" + "".join(self._said[-40:])
            time.sleep(0.1)

    def end(self) -> int:
        """Let it send its last counts and exit; returns the exit code."""
        assert self.ask("end") == "ended"
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _read(pipe: IO[str], keep: Any) -> None:
    for line in pipe:
        keep(line)
