"""What real clients were tried with, recorded by the tests and written into docs/reference/clients.md.

A test that runs a client takes the fixture ``contract`` and says so before it begins::

    def test_it(contract): contract("unleash-client", "6.12.1", "polling", tried="…", language="Node")

The row's result is the test's. ``python -m ensign_testkit.contracts`` writes the page from what the last run recorded.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

# Their assertions are the tests' own: they are to say what was compared.
pytest.register_assert_rewrite("ensign_testkit.trials", "ensign_testkit.programs", "ensign_testkit.gateway")

ROOT = Path(__file__).parents[4]
RECORDS = ROOT / "var" / "contracts"
PAGE = ROOT / "docs" / "reference" / "clients.md"
CLIENTS = ROOT / "packages" / "server" / "tests" / "delivery" / "clients"
NOT_RUN = {
    "Unleash.Client (.NET)": "there is no package of it, nor of .NET, where the tests get their packages from",
    "unleash/client (PHP)": "there is no package of it where the tests get their packages from",
    "unleash (Ruby) 6": "no gem can be had where the tests get their packages from; Debian's 3.2.5 is tried instead",
    "unleash-go-sdk (Go) 6": "it cannot be had where the tests get their packages from; 5.0.3 is tried instead",
    "unleash-android, unleash-proxy-client-swift, unleash_proxy_client_flutter": "they need a device or its simulator",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One client in one mode. ``client`` is its package's name; ``test`` the test that ran it, as pytest names it."""

    client: str
    language: str
    version: str
    mode: str
    tried: str
    test: str


_ROW = pytest.StashKey[Row]()


@pytest.fixture
def contract(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Says which client the test runs, so that it gets its row."""

    def declare(client: str, version: str, mode: str, *, tried: str, language: str) -> None:
        request.node.stash[_ROW] = Row(client, language, version, mode, tried, request.node.nodeid)

    return declare


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Write the row with its test's result; a failure while setting up has no row yet."""
    report: Any = yield
    row = item.stash.get(_ROW, None)
    if row is not None and report.when == "call":
        RECORDS.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(row.test.encode()).hexdigest()[:16]
        (RECORDS / f"{name}.json").write_text(json.dumps({**asdict(row), "result": report.outcome}))
    return report


def page(records: list[dict[str, str]]) -> str:
    """The page, from records as they were written."""
    lines = [
        "# Clients that were tried", "",
        "Written by `make test-all` from what its tests recorded; do not edit by hand. Every client is the unchanged",
        "package of its registry in a process of its own, against a real server. The last column names the test.", "",
        "| Client | Language | Version | Mode | Tried | Result | Test |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in sorted(records, key=lambda one: (one["language"], one["client"], one["mode"], one["test"])):
        shown = [one[name] for name in ("client", "language", "version", "mode", "tried", "result")]
        test = re.sub(r"^packages/server/tests/", "", one["test"]).replace("|", "\\|")
        lines.append("| " + " | ".join([*shown, f"`{test}`"]) + " |")
    lines += ["", "Not run:", ""]
    lines += [f"- {name}: {reason}." for name, reason in NOT_RUN.items()]
    return "\n".join(lines) + "\n"


def rows(text: str) -> list[list[str]]:
    """The cells of the page's table."""
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells][1:]


def pinned() -> dict[str, str]:
    """Version by package name: what the tests install, out of the lock files that they install it from."""
    found: dict[str, str] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        found[package["name"]] = package.get("version", "")
    for lock in CLIENTS.rglob("package-lock.json"):
        for path, package in json.loads(lock.read_text())["packages"].items():
            if path.startswith("node_modules/") and path.count("node_modules/") == 1:
                found[path.removeprefix("node_modules/")] = package["version"]
    for lock in CLIENTS.rglob("Cargo.lock"):
        for package in tomllib.loads(lock.read_text())["package"]:
            found[package["name"]] = package["version"]
    for modules in CLIENTS.rglob("go.mod"):
        found |= dict(re.findall(r"^(?:require)?\s*(\S+/\S+) v(\S+)", modules.read_text(), re.MULTILINE))
    for project in CLIENTS.rglob("pom.xml"):
        pattern = r"<artifactId>([^<]+)</artifactId>\s*<version>([^<]+)</version>"
        found |= dict(re.findall(pattern, project.read_text()))
    for listed in CLIENTS.rglob("*.txt"):
        found |= dict(line.split() for line in listed.read_text().splitlines() if line and not line.startswith("#"))
    return found


def main() -> None:
    """Forget what was recorded (``forget``), or write the page."""
    if sys.argv[1:] == ["forget"]:
        shutil.rmtree(RECORDS, ignore_errors=True)
        return
    records = [json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))]
    PAGE.write_text(page(records))
    print(f"{PAGE.relative_to(ROOT)}: {len(records)} rows")


if __name__ == "__main__":
    main()
