"""How many answers a second the delivery plane gives: ``python bench/answers.py [--seconds N] [--rounds N]``.

A real ``ensign serve`` on SQLite with 1,000 flags in production, each with two constraints, a rollout of 10 % and two
variants, and ten connections of this process over loopback that ask as fast as they are answered. Measured for each
kind of request, in interleaved rounds: answers a second, and the server's processor time for one. The best round
counts: whatever else the machine does can only make it slower. Contexts differ from request to request, and half of
the users meet both constraints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "packages" / "server" / "testkit")]

from ensign_testkit.server import Server, environment, run  # noqa: E402  # found by the path set above
from streams import cpu, memory  # noqa: E402  # as above

CONNECTIONS = 10
USERS = 100
UNLEASH = {"features": 173, "features, 304": 2_286, "front end": 72, "OFREP, all": 72}
"""Answers a second of Unleash 7.5.1 with 1,000 flags on the same kind of machine, idle; it has no OFREP."""

Make = Callable[[int], bytes]


def requests(tokens: dict[str, str], keys: list[str], etag: str) -> dict[str, Make]:
    """What is asked, by name: number of the request -> its bytes."""

    def ask(method: str, path: str, token: str, *, body: str = "", headers: str = "") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def context(user: str, n: int) -> str:
        where = '"country": "SE", "appVersion": "2.5.0"' if n % 2 else '"country": "DE", "appVersion": "2.5.0"'
        return f'{{"context": {{"{user}": "user-{n % USERS}", {where}}}}}'

    backend, frontend, ofrep = tokens["backend"], tokens["frontend"], "/ofrep/v1/evaluate/flags"
    spec, known = "Unleash-Client-Spec: 5.2.0\r\n", f"If-None-Match: {etag}\r\n"
    return {
        "features": lambda _n: ask("GET", "/api/client/features", backend, headers=spec),
        "features, 304": lambda _n: ask("GET", "/api/client/features", backend, headers=spec + known),
        "front end": lambda n: ask("POST", "/api/frontend", frontend, body=context("userId", n)),
        "OFREP, all": lambda n: ask("POST", ofrep, frontend, body=context("targetingKey", n)),
        "OFREP, by key": lambda n: ask(
            "POST", f"{ofrep}/{keys[n % len(keys)]}", backend, body=context("targetingKey", n)
        ),
    }


async def connection(port: int, make: Make, until: float, statuses: dict[int, int]) -> None:
    """Ask over one connection, one request after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    number = 0
    while time.monotonic() < until:
        writer.write(make(number))
        number += 1
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"content-length: " in head:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()


async def burst(server: Server, make: Make, seconds: float) -> tuple[float, float]:
    """Ask for so long; returns answers a second, and the server's processor time for one in ms."""
    statuses: dict[int, int] = {}
    used, began = cpu(server.process.pid), time.monotonic()
    await asyncio.gather(*(connection(server.port, make, began + seconds, statuses) for _ in range(CONNECTIONS)))
    took, count = time.monotonic() - began, sum(statuses.values())
    if set(statuses) - {200, 304}:
        raise SystemExit(f"a server that answers {statuses} is not measured")
    return count / took, (cpu(server.process.pid) - used) / count * 1e3


async def measured(server: Server, wanted: dict[str, Make], given: Any) -> dict[str, dict[str, Any]]:
    """Each kind of request in turn, several times over; the best round of each counts, and the median is shown."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
    for make in wanted.values():
        await burst(server, make, 0.5)
    for _ in range(given.rounds):
        for name, make in wanted.items():
            rounds[name].append(await burst(server, make, given.seconds))
    results = {
        name: {
            "answers a second": round(max(rate for rate, _ in made)),
            "median": round(statistics.median(rate for rate, _ in made)),
            "processor ms an answer": round(min(each for _, each in made), 3),
            "Unleash": UNLEASH.get(name),
        }
        for name, made in rounds.items()
    }
    for name, figures in results.items():
        print(f"{name:16}{json.dumps(figures)}", flush=True)
    return results


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each kind of request in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print("load before:", os.getloadavg(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        run(data, "migrate")
        command = [sys.executable, str(HERE / "streams.py"), "--fill"]
        made = subprocess.run(command, env=environment(data), capture_output=True, text=True, check=False)
        if made.returncode:
            raise SystemExit(made.stderr)
        tokens = json.loads(made.stdout.splitlines()[-1])
        server = Server(data)
        try:
            while server.get("/ready").status != 200:
                time.sleep(0.1)
            first = server.get(
                "/api/client/features", **{"Authorization": tokens["backend"], "Unleash-Client-Spec": "5.2.0"}
            )
            keys = [flag["name"] for flag in first.json()["features"]]
            wanted = requests(tokens, keys, str(first.headers["etag"]))
            results = asyncio.run(measured(server, wanted, given))
            print(f"{len(keys)} flags, {len(first.body):,} bytes; resident {memory(server.process.pid) / 1024:.0f} MiB")
        finally:
            server.stop()
    print("load after:", os.getloadavg())
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
