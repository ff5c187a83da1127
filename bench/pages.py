"""How long pages take in a browser: ``python bench/pages.py [--rounds N] [--json FILE]`` (about two minutes).

An installation with a project of 1,000 flags, served by `ensign serve`, opened in Chromium on the same machine: from
the click to the first byte, to the parsed page, and to the first paint, each the best and the median of the rounds.
The first visit of each page, which renders templates for the first time, is not counted.
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

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "packages" / "server" / "testkit"))

from ensign_testkit import filled  # found by the path set above
from ensign_testkit.browsing import browsing, launch, sign_in  # as above
from ensign_testkit.server import Server, environment, serving  # as above

GOAL_MS = 500.0
"""From the click to the parsed page, for 1,000 flags on loopback."""
PAGES = {
    "home": "/",
    "1,000 flags": f"/projects/{filled.MANY}/flags",
    "a flag": "/projects/shop/flags/new-checkout",
    "requests": "/requests?show=all",
    "log": "/log",
}
MARKS = """() => {
  const seen = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [seen.responseStart, seen.domContentLoadedEventEnd, paint ? paint.startTime : 0];
}"""


def _fill(data: Path) -> None:
    """An installation with one of everything and 1,000 flags, made by a process of its own."""
    data.mkdir()
    env = environment(data, {"PYTHONPATH": str(Path(filled.__file__).parents[1])})
    command = [sys.executable, "-m", "ensign_testkit.filled", str(data), "--many"]
    made = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"The installation could not be filled:\n{made.stderr}")


def measure(browser: Browser, server: Server, *, rounds: int) -> dict[str, Any]:
    """Milliseconds by page: first byte, parsed, painted; the best and the median of each."""
    found: dict[str, Any] = {}
    with browsing(browser) as page:
        sign_in(page, server.url, email="ada.admin@example.com", password=filled.PASSWORD)
        page.wait_for_url(f"{server.url}/")
        for name, path in PAGES.items():
            taken = []
            for _ in range(rounds + 1):
                page.goto(server.url + path)
                page.wait_for_selector("html[data-ready]")
                taken.append(page.evaluate(MARKS))
            columns = zip(*taken[1:], strict=True)
            found[name] = {
                mark: {"best": round(min(values), 1), "median": round(statistics.median(values), 1)}
                for mark, values in zip(("first_byte", "parsed", "painted"), columns, strict=True)
            }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="visits of each page that count")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = Path(folder) / "data"
        _fill(data)
        with serving(data, "--no-worker") as server:
            browser = launch(playwright)
            found = measure(browser, server, rounds=options.rounds)
            browser.close()
    print(f"{'ms, best / median':<20}{'first byte':>16}{'parsed':>16}{'painted':>16}")
    for name, marks in found.items():
        cells = "".join(f"{mark['best']:>8.0f} /{mark['median']:>6.0f}" for mark in marks.values())
        print(f"{name:<20}{cells}")
    print(f"Goal: 1,000 flags parsed within {GOAL_MS:.0f} ms.")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
