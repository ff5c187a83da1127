"""An event that threads wait for and coroutines await."""

import threading
from collections.abc import Callable
from contextlib import suppress


class Settled:
    """`set` from any thread wakes every waiting thread, and every coroutine in its own loop."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wakers: set[Callable[[], object]] = set()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._event.is_set()

    def set(self) -> None:
        """It has happened."""
        with self._lock:
            self._event.set()
            wakers, self._wakers = self._wakers, set()
        for wake in wakers:
            wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Block at most `timeout` seconds; returns whether it has happened."""
        return self._event.wait(timeout)

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Await it for at most `timeout` seconds, without a thread; returns whether it has happened."""
        import asyncio  # deferred: applications without an event loop never load it

        loop = asyncio.get_running_loop()
        happened = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(happened.set)

        with self._lock:
            if self._event.is_set():
                return True
            self._wakers.add(wake)
        try:
            await asyncio.wait_for(happened.wait(), timeout)
        except TimeoutError:
            return self._event.is_set()
        finally:
            with self._lock:
                self._wakers.discard(wake)
        return True
