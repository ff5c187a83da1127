"""What the SDK costs an application at its start: ``python bench/sdk.py [--runs N] [--json FILE]`` (about a minute).

Each number is of a fresh process, the contenders in turn, run after run: importing; from making the client to the first
answer, from rules brought along (`bootstrap`), kept on disk (`cache`) or fixed (`offline`), with no server in reach;
the processor time of both, which depends least on what else the machine does; resident memory after the client has
tried its server, so that HTTP is loaded. UnleashClient starts from its own cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evaluation import document
from sdk_probe import NOWHERE, TOKEN

PROBE = Path(__file__).with_name("sdk_probe.py")
MEASURES = ("import_ms", "init_ms", "import_cpu_ms", "init_cpu_ms", "rss_mib")
SIZES = (1_000, 10_000)
WAYS = ("bare", "offline", "bootstrap", "cache", "unleash")
"""How to start; `bare` is the interpreter alone, without a client."""
GOALS: dict[int, dict[str, float]] = {1_000: {"init_ms": 20, "rss_mib": 25}, 10_000: {"init_ms": 150, "rss_mib": 50}}
IMPORT_MS, START_MS = 60, 60


def _prepare(folder: Path, flags: int) -> None:
    """Rules in a file, and in the SDK's cache as it would keep them."""
    from ensign_sdk._internal.cache import DiskCache, Origin
    from ensign_sdk.config import Endpoint

    folder.mkdir()
    body = document(flags).encode()
    (folder / "rules.json").write_bytes(body)
    endpoint = Endpoint.parse(NOWHERE)
    cache = DiskCache(folder, address=endpoint.origin + endpoint.base, token=TOKEN, app_name="bench")
    cache.save(body, Origin('"bench"', None, None))


def measure(runs: int, folder: Path) -> dict[str, Any]:
    """{"way, flags": {measure: {"best", "median"}}}."""
    found: dict[str, list[dict[str, float]]] = {}
    for flags in SIZES:
        _prepare(folder / str(flags), flags)
    for _ in range(runs):
        for flags in SIZES:
            for way in WAYS:
                command = [sys.executable, str(PROBE), way, str(folder / str(flags))]
                done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120)
                row = dict(zip(MEASURES, map(float, done.stdout.split()), strict=True))
                found.setdefault(f"{way}, {flags:,} flags", []).append(row)
    return {
        name: {
            key: {"best": round(min(run[key] for run in took), 1),
                  "median": round(statistics.median(run[key] for run in took), 1)}
            for key in took[0]
        }
        for name, took in found.items()
    }  # fmt: skip


def goals(rows: dict[str, Any]) -> dict[str, bool]:
    """What performance asks for, by the best of the runs: what the machine can do when it is left alone."""
    met: dict[str, bool] = {}
    for flags, wanted in GOALS.items():
        for way in ("offline", "bootstrap", "cache"):
            row = rows[f"{way}, {flags:,} flags"]
            for key, limit in wanted.items():
                met[f"{way}, {flags:,} flags: {key} <= {limit:g}"] = row[key]["best"] <= limit
    first = rows["cache, 1,000 flags"]
    met[f"import <= {IMPORT_MS} ms"] = first["import_ms"]["best"] <= IMPORT_MS
    started = first["import_ms"]["best"] + first["init_ms"]["best"]
    met[f"import and first answer from the cache, 1,000 flags <= {START_MS} ms"] = started <= START_MS
    return met


def main() -> int:
    """Run, print, and write JSON if asked; 0 whatever the numbers are (a benchmark is no test)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="processes for each number (default 7)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        rows = measure(given.runs, Path(folder))
    heads = ("import ms", "first answer ms", "import CPU ms", "answer CPU ms", "RSS MiB")
    print(f"{'best (median)':26}" + "".join(f"{head:>18}" for head in heads))
    for name, row in rows.items():
        cells = (f"{row[key]['best']:>9.1f} ({row[key]['median']:>6.1f})" for key in row)
        print(f"{name:26}" + "".join(f"{cell:>18}" for cell in cells))
    met = goals(rows)
    for goal, reached in met.items():
        print(f"{'met ' if reached else 'MISSED'}  {goal}")
    if given.json:
        text = json.dumps({"rows": rows, "goals": met}, indent=1)
        Path(given.json).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
