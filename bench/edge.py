"""What an edge costs, and how long a change takes to it: ``python bench/edge.py [--flags N …] [--json FILE]``.

A delivery plane in this process, which publishes from memory, and two real ``ensign edge`` processes, one below the
other, with a client's stream at each of the three. Measured: seconds until an edge is ready (twice: from nothing, and
from its last good copy with nothing above), its resident memory, bytes of the whole feed and of one change on the
wire, and milliseconds from the publication until each of the three clients has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "packages" / "server" / "testkit")]

from ensign.delivery.app import DeliveryApp  # noqa: E402  # after the path, as its neighbours
from ensign_testkit.delivery import MemorySource, constraint, flag, serving, strategy  # noqa: E402  # found by the path
from ensign_testkit.edges import EDGE_TOKEN, Wire  # noqa: E402  # found by the path
from ensign_testkit.server import Server  # noqa: E402  # found by the path
from ensign_testkit.streams import EventStream  # noqa: E402  # found by the path

TOKEN = "shop:production.bench"


def ruleset(number: int) -> list[dict[str, Any]]:
    """Flags with a rollout and a constraint each."""
    rollout = {"rollout": "50", "stickiness": "default"}
    return [
        flag(
            f"flag-{n}",
            strategies=[
                strategy(
                    "flexibleRollout",
                    parameters={**rollout, "groupId": f"flag-{n}"},
                    constraints=[constraint("country", "IN", "SE", "NO", "DK", "FI")],
                )
            ],
        )
        for n in range(number)
    ]


def started(data: Path, url: str) -> tuple[Server, float]:
    """An edge that is ready, and how many seconds that took."""
    began = time.perf_counter()
    edge = Server(data, "--upstream", url, env={"ENSIGN_EDGE_TOKENS": EDGE_TOKEN}, command="edge")
    while edge.get("/readyz").status != 200:
        time.sleep(0.01)
    return edge, time.perf_counter() - began


def resident(edge: Server) -> float:
    """MiB of resident memory."""
    status = Path(f"/proc/{edge.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def follow(name: str, port: int, seen: dict[tuple[str, int], float]) -> threading.Thread:
    """Note when a client at `port` has each event."""

    def run() -> None:
        with EventStream(port, TOKEN, timeout=300) as stream:
            while (event := stream.next()) is not None:
                if "id" in event.fields:
                    seen[name, int(event.fields["id"])] = time.perf_counter()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def measured(number: int, rounds: int, folder: Path) -> dict[str, Any]:
    """All of it at so many flags."""
    source, flags = MemorySource(), ruleset(number)
    source.token(EDGE_TOKEN, "edge")
    source.token(TOKEN)
    first = source.publish(flags)
    with serving(DeliveryApp(source)) as server:
        wire = Wire(server.port)
        edge, cold = started(folder / "edge", wire.url)
        whole = wire.down
        below, _ = started(folder / "below", edge.url)
        ports = {"server": server.port, "edge": edge.port, "edge below it": below.port}
        seen: dict[tuple[str, int], float] = {}
        for name, port in ports.items():
            follow(name, port, seen)
        while any((name, first) not in seen for name in ports):
            time.sleep(0.01)
        took: dict[str, list[float]] = {name: [] for name in ports}
        before = wire.down
        for turn in range(rounds):
            place = turn * 7 % number
            flags[place] = {**flags[place], "enabled": not flags[place]["enabled"]}
            event = source.publish(list(flags))
            began = time.perf_counter()
            while any((name, event) not in seen for name in ports):
                time.sleep(0.001)
            for name in ports:
                took[name].append((seen[name, event] - began) * 1e3)
            time.sleep(0.1)
        one = (wire.down - before) / rounds
        memory = resident(edge)
        for node in (below, edge):
            node.stop()
        wire.close()
        again, warm = started(folder / "edge", "http://127.0.0.1:1")
        again.stop()
    return {
        "flags": number,
        "s until ready": round(cold, 2),
        "s until ready, nothing above": round(warm, 2),
        "resident MiB": round(memory, 1),
        "KB of the whole feed": round(whole / 1000, 1),
        "KB of a change": round(one / 1000, 2),
        **{f"ms to {name}, p50": round(statistics.median(values), 1) for name, values in took.items()},
        **{f"ms to {name}, worst": round(max(values), 1) for name, values in took.items()},
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flags", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print("load before:", os.getloadavg(), flush=True)
    results = []
    for number in given.flags:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measured(number, given.rounds, Path(folder)))
        for name, value in results[-1].items():
            print(f"{name:32} {value:>12}")
        print(flush=True)
    print("load after:", os.getloadavg())
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
