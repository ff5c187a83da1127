"""Sending without waiting: one step of an ASGI send, and what is left of it. For `hub`."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from ensign.delivery.http import Message, Send

STALLED = 15.0
"""Seconds that a client may take for one piece before it is given up."""
PIECE = 64 * 1024
"""Bytes of a large document that are sent at a time: so much of it at most waits in the server's buffer."""


class Stalled(Exception):
    """The client takes nothing any more."""


def body(data: bytes, *, more: bool = True) -> Message:
    """The ASGI message for a part of the response's body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def step(send: Send, message: Message) -> Coroutine[Any, Any, None] | None:
    """Begin to send. None when that was all, as nearly always; else the rest, to be awaited in a task of its own.

    Awaiting each send would let one client that takes nothing hold up all others, and a task for each would cost more
    than the sending. Raises OSError when the client is gone.
    """
    sending = send(message)
    assert isinstance(sending, types.CoroutineType)  # not the abstract class, which takes a tenth of the whole to ask
    try:
        waiting = sending.send(None)
    except StopIteration:
        return None
    return _rest(sending, waiting)


async def _rest(sending: Coroutine[Any, Any, None], waiting: object) -> None:
    await _resumed(sending, waiting)


@types.coroutine
def _resumed(sending: Coroutine[Any, Any, None], waiting: object) -> Generator[object, None, None]:
    """Go on with a coroutine that stopped at `waiting`, which the event loop has not seen yet."""
    while True:
        try:
            yield waiting
        except BaseException as problem:  # a cancellation is the coroutine's to handle
            try:
                waiting = sending.throw(problem)
            except StopIteration:
                return
        else:
            try:
                waiting = sending.send(None)
            except StopIteration:
                return


async def patiently(sending: Awaitable[None]) -> None:
    """Await a send for `STALLED` seconds. Raises Stalled, and OSError when the client is gone."""
    try:
        async with asyncio.timeout(STALLED):
            await sending
    except TimeoutError as problem:
        raise Stalled from problem


def abort(send: Send) -> bool:
    """Cut the connection off without waiting for what its client never takes; False where the server has no such thing.

    ASGI has no word for it, and closing would keep socket and buffer for as long as the client pleases; so this looks
    at uvicorn's request behind `send`.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    cut = getattr(transport, "abort", None)
    if cut is None:
        return False
    cut()
    return True
