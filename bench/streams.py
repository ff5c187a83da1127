"""What a stream costs, and how long a kill switch takes to everybody: ``python bench/streams.py [--json FILE]``.

A real ``ensign serve`` on SQLite (durable) with 1,000 flags in production, and this process with N raw sockets that
each hold a stream open over loopback. Measured: the server's resident memory per idle stream; the time from sending
the API call of a kill switch to the last of the N clients having read the event; of a single client in between.
The clients join with a ``Last-Event-ID``, as after a restart of the server; with ``--hydrate`` each gets all rules.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "packages" / "server" / "testkit")]

import uvloop  # noqa: E402  # after the path
from ensign_testkit.server import Server, environment, run  # noqa: E402  # found by the path set above

FLAGS = 1_000
GOAL_STREAMS = 5_000
KIB, LAST_MS, RESIDENT = 12.0, 250.0, 150.0
"""Goals: memory of one more stream, the last of 5,000 clients at p99, the whole server with 5,000."""
JOINING = 250
"""Clients that connect at a time."""


def fill() -> None:
    """Make people, flags and tokens in the installation of this process's environment; print the tokens."""
    from ensign.cli import local  # deferred: settings read the environment of this process

    local.set_up()
    from control import KEYS, _content  # deferred: after the set-up of Django
    from ensign.control.access.tokens import TokenWish, create_personal  # deferred: as above
    from ensign.control.flags.operations import create_flag  # deferred: as above
    from ensign.control.kernel import clock  # deferred: as above
    from ensign.control.projects.tokens import create_token  # deferred: as above
    from ensign_testkit.targets import put, shop  # deferred: as above

    anna = shop()
    at = clock.now()
    for key in KEYS:
        create_flag(actor=anna, at=at, project="shop", key=key)
    for start in range(0, FLAGS, 100):
        put({key: _content(10) for key in KEYS[start : start + 100]}, environment="production")
    wish = {"name": "bench", "projects": ["shop"], "environment": "production"}
    made = {kind: create_token(actor=anna, at=at, type=kind, **wish).text for kind in ("backend", "frontend", "edge")}
    made["api"] = create_personal(actor=anna, at=at, wish=TokenWish(name="bench")).text
    print(json.dumps(made))


class Listener(asyncio.Protocol):
    """One client: reads, and counts the events that it saw."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.greeted = False
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        cast("asyncio.Transport", transport).write(self.fleet.request())

    def data_received(self, data: bytes) -> None:
        """Look for the beginning and for updates; an event may be cut anywhere."""
        data = self.tail + data
        if not self.greeted and b"unleash-connected" in data:
            self.greeted = True
            self.fleet.seen()
        for _ in range(data.count(b"event: unleash-updated")):
            self.fleet.seen()
        self.tail = data[-22:] if not data.endswith(b"\n") else b""

    def connection_lost(self, _exc: Exception | None) -> None:
        """A stream that ends is none that was measured."""
        self.fleet.lost += 1


class Fleet:
    """All clients of this process."""

    def __init__(self, port: int, token: str, last: int | None) -> None:
        resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
        self._request = (
            f"GET /api/client/streaming HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n"
            f"Accept: text/event-stream\r\nUnleash-Client-Spec: 5.2.0\r\nunleash-appname: bench\r\n{resume}"
        )
        self._ids = itertools.count()
        self.port = port
        self.members: list[asyncio.BaseTransport] = []
        self.lost = 0
        self.count = 0
        self.wanted = 0
        self.first_at = self.last_at = 0.0
        self.done = asyncio.Event()

    def request(self) -> bytes:
        """What the next client asks: each is an instance of its own, which the server watches."""
        return f"{self._request}unleash-connection-id: bench-{next(self._ids):032}\r\n\r\n".encode()

    def expect(self, number: int) -> None:
        """Begin to count up to `number`."""
        self.count, self.wanted = 0, number
        self.done.clear()

    def seen(self) -> None:
        """One client saw something."""
        self.last_at = time.perf_counter()
        self.count += 1
        if self.count == 1:
            self.first_at = self.last_at
        if self.count == self.wanted:
            self.done.set()

    async def join(self, number: int) -> None:
        """Open streams until there are `number`, some at a time, each batch greeted before the next."""
        loop = asyncio.get_running_loop()
        while (missing := number - len(self.members)) > 0:
            batch = min(JOINING, missing)
            self.expect(batch)
            made = [loop.create_connection(lambda: Listener(self), "127.0.0.1", self.port) for _ in range(batch)]
            self.members += [transport for transport, _ in await asyncio.gather(*made)]
            await asyncio.wait_for(self.done.wait(), 120)


def memory(process: int) -> float:
    """Resident KiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise RuntimeError("no such process")


def cpu(process: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def kill(server: Server, token: str, key: str) -> tuple[float, float]:
    """Press a kill switch by the API; returns when it was sent and when it was answered."""
    body = b'{"reason":""}'
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST /api/v1/projects/shop/flags/{key}/environments/production/kill HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    began = time.perf_counter()
    writer.write(head.encode() + body)
    answer = await reader.readline()
    answered = time.perf_counter()
    rest = await reader.read()
    writer.close()
    if b" 201 " not in answer:
        raise SystemExit(f"the kill switch answered {answer!r} {rest[-300:]!r}")
    return began, answered


async def measured(server: Server, holder: Server, tokens: dict[str, str], given: Any) -> list[dict[str, Any]]:
    """Memory and times, with more and more streams on `holder`: `server` itself, or an edge below it."""
    revision = holder.get("/api/client/delta", Authorization=tokens["backend"]).headers["etag"].strip('"')
    if given.frontend:
        holder.get("/api/frontend?userId=7", Authorization=tokens["frontend"])
    process = holder.process.pid
    fleet = Fleet(holder.port, tokens["backend"], None if given.hydrate else int(revision))
    results: list[dict[str, Any]] = []
    pressed_already = 0
    for number in sorted(given.streams):
        before, fewer = memory(process), len(fleet.members)
        began = time.perf_counter()
        await fleet.join(number)
        joined = time.perf_counter() - began
        await asyncio.sleep(3)
        further = (memory(process) - before) / (number - fewer)
        used = cpu(process)
        await asyncio.sleep(10)
        idle = (cpu(process) - used) / 10
        rounds = given.rounds if number == GOAL_STREAMS or len(given.streams) == 1 else max(3, given.rounds // 5)
        times = await pressed(server, process, tokens["api"], fleet, number, rounds, first=pressed_already)
        pressed_already += rounds
        per_event = times["processor time of the server"]["p50_ms"] * 1_000 / number
        results.append({
            "streams": number, "lost": fleet.lost, "joined_s": round(joined, 2), "rounds": rounds,
            "KiB per further stream": round(further, 2), "further streams per MiB": round(1024 / max(further, 0.01)),
            "resident MiB": round(memory(process) / 1024, 1),
            "idle processor ms a second per 1,000": round(idle * 1e6 / number, 2),
            "processor ms of a kill per 1,000": round(per_event, 1), "times": times,
        })  # fmt: skip
        show(results[-1])
    for transport in fleet.members:
        transport.close()
    return results


async def pressed(
    server: Server, process: int, token: str, fleet: Fleet, number: int, rounds: int, *, first: int
) -> dict[str, dict[str, float]]:
    """Press kill switches at `server`, one after the other; milliseconds from the call, and those of `process`."""
    from control import KEYS  # deferred: it looks for the testkit first

    server_time, client_time = "processor time of the server", "processor time of the clients"
    names = ("last of all", "first of all", "answered", "first to last", server_time, client_time)
    took: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        fleet.expect(number)
        used, own = cpu(process), time.process_time()
        began, answered = await kill(server, token, KEYS[first + turn])
        await asyncio.wait_for(fleet.done.wait(), 60)
        took["last of all"].append((fleet.last_at - began) * 1e3)
        took["first of all"].append((fleet.first_at - began) * 1e3)
        took["answered"].append((answered - began) * 1e3)
        took["first to last"].append((fleet.last_at - fleet.first_at) * 1e3)
        await asyncio.sleep(0.5)
        took[server_time].append((cpu(process) - used) * 1e3)
        took[client_time].append((time.process_time() - own) * 1e3)
    return {
        name: {
            "p50_ms": round(statistics.median(values), 1),
            "p99_ms": round(sorted(values)[math.ceil(0.99 * len(values)) - 1], 1),
            "worst_ms": round(max(values), 1),
        }
        for name, values in took.items()
    }


def show(row: dict[str, Any]) -> None:
    """One number of streams, for people."""
    print(f"\n{row['streams']:,} streams, {row['rounds']} kill switches; {row['lost']} streams lost", flush=True)
    for name, value in row.items():
        if name not in {"streams", "rounds", "lost", "times"}:
            print(f"  {name:40}{value:>10}")
    print(f"  {'ms':40}{'p50':>10}{'p99':>10}{'worst':>10}")
    for name, took in row["times"].items():
        print(f"  {name:40}{took['p50_ms']:>10}{took['p99_ms']:>10}{took['worst_ms']:>10}", flush=True)


def goals(results: list[dict[str, Any]]) -> dict[str, bool]:
    """Those of the project, as far as so many streams were held."""
    found = {}
    for row in results:
        number = row["streams"]
        if number > 1_000:
            found[f"{number:,}: {KIB:g} KiB per further stream"] = row["KiB per further stream"] <= KIB
        if number == GOAL_STREAMS:
            found[f"{number:,}: a kill switch with the last client within {LAST_MS:g} ms at p99"] = (
                row["times"]["last of all"]["p99_ms"] <= LAST_MS
            )
            found[f"{number:,}: {RESIDENT:g} MiB resident"] = row["resident MiB"] <= RESIDENT
        found[f"{number:,}: no stream lost"] = row["lost"] == 0
    return found


@contextmanager
def below(server: Server, tokens: dict[str, str]) -> Iterator[Server]:
    """An edge that takes its rules from `server`, once it has them."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"ENSIGN_EDGE_TOKENS": tokens["edge"]}
        edge = Server(Path(folder) / "edge", "--upstream", server.url, env=env, command="edge")
        try:
            for _ in range(300):
                if edge.get("/api/client/delta", Authorization=tokens["backend"]).status == 200:
                    break
                time.sleep(0.1)
            yield edge
        finally:
            edge.stop()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1_000, GOAL_STREAMS, 10_000])
    parser.add_argument("--rounds", type=int, default=100, help="kill switches pressed at 5,000; a fifth at others")
    parser.add_argument("--hydrate", action="store_true", help="every client gets all rules when it joins")
    parser.add_argument("--frontend", action="store_true", help="with a front-end token whose rules are compiled")
    parser.add_argument("--edge", action="store_true", help="the clients are an edge's, in a process of its own")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fill", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill()
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("load before:", os.getloadavg(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        run(data, "migrate")
        made = subprocess.run(
            [sys.executable, __file__, "--fill"], env=environment(data), capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise SystemExit(made.stderr)
        tokens = json.loads(made.stdout.splitlines()[-1])
        server = Server(data, env={"ENSIGN_API_RATE": "100000", "ENSIGN_API_WRITE_RATE": "100000"})
        try:
            server.get("/api/v1/projects", Authorization=f"Bearer {tokens['api']}")
            with (
                below(server, tokens) if given.edge else nullcontext(server) as holder,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # the quickest clients that Python has
            ):
                results = runner.run(measured(server, holder, tokens, given))
        finally:
            server.stop()
    met = goals(results)
    print("\nload after:", os.getloadavg())
    for goal, is_met in met.items():
        print(f"{'met   ' if is_met else 'MISSED'}  {goal}")
    if given.json:
        given.json.write_text(json.dumps({"results": results, "goals": met}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
