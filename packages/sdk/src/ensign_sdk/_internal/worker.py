"""A daemon thread that does one thing, waits as long as that thing says, and does it again."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("ensign_sdk")

CRASHED = 60.0
"""Seconds to wait after a step that raised, which is a defect of ours."""


class Worker:
    """Runs `step` until stopped; `step` returns the seconds until its next run. `interrupt` ends a step that waits."""

    def __init__(self, name: str, step: Callable[[], float], interrupt: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._step = step
        self._interrupt = interrupt
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, once. Where no thread can be made, nothing runs, and a log line says so."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError as problem:  # the interpreter is shutting down, or the system is out of threads
                log.error("Ensign cannot start a thread: %s", problem)
                self._thread = None

    def wake(self) -> None:
        """Run the next step now."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """Ask the thread to end and wait for it, at most `timeout` seconds. Returns whether it has ended."""
        self._stopping = True
        self._wake.set()
        self._interrupt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            try:
                pause = self._step()
            except Exception:  # a defect must not end the thread: the application would run on old rules for ever
                log.exception("Ensign's %s stumbled and goes on", self._name)
                pause = CRASHED
            self._wake.wait(pause)
            self._wake.clear()
