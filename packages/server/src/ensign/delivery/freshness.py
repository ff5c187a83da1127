"""Waiting, on the event loop, until this node knows at least what somebody was told elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ensign.delivery.feed import Feed

PATIENCE = 2.0
"""Seconds that an answer waits for the feed. Then what is known is the answer: clients give up after five."""


class Freshness:
    """Follows `feed` from its thread; `start` and `stop` frame the loop that waits."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        feed.after(self._refreshed)

    def start(self) -> None:
        """Remember the running loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Wake everybody; nobody is woken later."""
        self._wake()
        self._loop = None

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for `condition`, which only a refresh of the feed changes, for at most `PATIENCE`; whether it holds."""
        if condition():
            return True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        self._feed.hint()
        while self._loop is loop and (left := deadline - loop.time()) > 0:
            waiter = loop.create_future()
            self._waiting.add(waiter)  # first, and then the look: a refresh in between wakes it
            try:
                if condition():
                    return True
                async with asyncio.timeout(left):
                    await waiter
            except TimeoutError:
                break
            finally:
                self._waiting.discard(waiter)
        return condition()

    def _refreshed(self) -> None:
        """In the feed's thread."""
        if self._waiting and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_result(None)
