"""Claims: in an event loop nothing blocks, waiting is awaiting, and a real application under uvicorn shows it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ensign_sdk import Client
from ensign_sdk._internal.settled import Settled
from ensign_testkit import adversary as enemy
from ensign_testkit.delivery import flag

HERE = Path(__file__).parent


async def ticking(work: asyncio.Task[object]) -> int:
    """How often the loop came round while `work` was waiting."""
    ticks = 0
    while not work.done():
        await asyncio.sleep(0.01)
        ticks += 1
    return ticks


def test_async_with_waits_for_rules_and_closes_with_the_counts(plane, connect, until) -> None:
    async def application() -> bool:
        async with connect(plane.url, streaming=True, start=False, metrics_interval=600) as client:
            assert isinstance(client, Client)
            return client.is_enabled("menu")

    assert asyncio.run(application()) is True
    until(lambda: plane.counted("menu") == (1, 0))


def test_waiting_leaves_the_loop_alone_and_ends_when_rules_come(hostile, connect, quick) -> None:
    hostile.behaviour = enemy.reply(503)

    async def application() -> tuple[int, bool]:
        client = connect(hostile.url)
        waiting = asyncio.create_task(client.ready_async())
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, lambda: setattr(hostile, "behaviour", enemy.rules("menu")))
        ticks = await ticking(waiting)
        return ticks, await waiting

    ticks, ready = asyncio.run(application())
    assert ready is True
    assert ticks > 3


def test_waiting_ends_with_its_timeout_and_can_be_cancelled(hostile, connect) -> None:
    hostile.behaviour = enemy.hang

    async def application() -> None:
        client = connect(hostile.url)
        assert await client.ready_async(0.05) is False
        threads = threading.active_count()
        waiting = asyncio.create_task(client.ready_async())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert client._settled._wakers == set()
        assert threading.active_count() <= threads, "no thread waits for it"
        await client.close_async(0.1)

    asyncio.run(application())


def test_a_server_that_is_away_delays_async_with_no_longer_than_the_timeout(hostile, connect) -> None:
    hostile.behaviour = enemy.hang

    async def application() -> bool:
        async with connect(hostile.url, timeout=0.2, metrics_interval=0) as client:
            return client.is_enabled("menu", default=True)

    began = time.monotonic()
    assert asyncio.run(application()) is True
    assert time.monotonic() - began < 20


def test_offline_clients_are_ready_at_once() -> None:
    async def application() -> bool:
        async with Client.offline({"features": [flag("menu")]}) as client:
            return await client.ready_async() and client.is_enabled("menu")

    assert asyncio.run(application()) is True


def test_many_loops_and_threads_are_woken_once_each() -> None:
    settled = Settled()
    woken: list[bool] = []

    def thread(asynchronous: bool) -> None:
        woken.append(asyncio.run(settled.wait_async(20)) if asynchronous else settled.wait(20))

    threads = [threading.Thread(target=thread, args=(number % 2 == 0,)) for number in range(10)]
    for one in threads:
        one.start()
    closed = asyncio.new_event_loop()
    closed.run_until_complete(asyncio.wait_for(asyncio.sleep(0), 1))
    closed.close()
    settled.set()
    settled.set()
    for one in threads:
        one.join(20)
    assert woken == [True] * 10
    assert asyncio.run(settled.wait_async(0)) is True


@pytest.fixture
def fastapi(plane, tmp_path: Path) -> Iterator[str]:
    """The application of docs/howto/use-the-python-sdk.md under uvicorn; yields its address."""
    port_file = tmp_path / "port"
    env = {
        **os.environ,
        "ENSIGN_URL": plane.url,
        "ENSIGN_CLIENT_TOKEN": "shop:production.sdk-secret",
        "HOME": str(tmp_path),
    }
    command = [sys.executable, str(HERE / "applications" / "serve_fastapi.py"), str(port_file)]
    with subprocess.Popen(command, env=env) as process:
        try:
            deadline = time.monotonic() + 60
            while not port_file.exists() or not port_file.read_text():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port_file.read_text()}"
        finally:
            process.terminate()
            process.wait(30)


def test_fastapi_answers_and_follows(fastapi: str, plane, until) -> None:
    def ask() -> str:
        with urllib.request.urlopen(f"{fastapi}/menu?user=7", timeout=10) as answer:
            return str(answer.read().decode())

    assert ask() == '{"new_menu":true}'
    plane.source.publish([flag("menu", enabled=False)])
    until(lambda: ask() == '{"new_menu":false}')
