"""Claims: every path and test that docs/controls names exists; every relative link in Markdown leads somewhere; no page
says one thing twice, as merges of two people's lines like to make it do."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_NAMED = re.compile(r"`(packages/[^`\s:]+)(?:::(\w+))?`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_NAME_CELL = re.compile(r"\| (`[^`|]+`|\[[^\]|]+\]\([^)|]+\)) \|")
_CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@cache
def pages() -> list[Path]:
    """Markdown files that belong to the project: known to git, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def controls() -> list[Path]:
    return sorted((ROOT / "docs" / "controls").glob("*.md"))


@pytest.mark.parametrize("page", controls(), ids=lambda page: page.name)
def test_what_a_control_names_exists(page: Path) -> None:
    text = page.read_text()
    for path, test in _NAMED.findall(text):
        assert (ROOT / path).exists(), path
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path} has no {test}"


def test_every_row_of_a_control_names_code_and_a_test_that_exist() -> None:
    rows = [line for page in controls() if page.name != "README.md" for line in page.read_text().splitlines()]
    rows = [line for line in rows if re.match(r"\| [A-Z]+[0-9.]+: ", line)]
    assert len(rows) > 30
    for row in rows:
        criterion, how, code, test, _ = (cell.strip() for cell in row.strip("|").split(" | "))
        assert how, criterion
        assert _NAMED.search(code), criterion
        assert _NAMED.search(test), criterion
        assert "/tests/" in test, criterion


def test_every_page_of_controls_is_listed() -> None:
    listed = (ROOT / "docs" / "controls" / "README.md").read_text()
    assert [page.name for page in controls() if page.name != "README.md" and f"]({page.name})" not in listed] == []


def anchors(page: Path) -> set[str]:
    """Addresses of the headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub(lambda m: m.group().strip("`"), page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for match in _LINK.finditer(_CODE.sub("", page.read_text())):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def said_twice(text: str) -> list[str]:
    """Lines that begin like another one: with the same name or link in the first column of one table, or with the same
    70 characters."""
    beginnings: set[str] = set()
    names: set[str] = set()
    found = []
    for line in _CODE_BLOCK.sub("", text).splitlines():
        named = _NAME_CELL.match(line)
        if not line.startswith("|"):
            names.clear()
        if (named and named[1] in names) or line[:70] in beginnings:
            found.append(line[:80])
        if named:
            names.add(named[1])
        elif len(line) >= 80 and not line.startswith("|"):
            beginnings.add(line[:70])
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("| `PORT` | 8000 |\n| `PORT` | the port |\n", ["| `PORT` | the port |"]),
        ("| `id` | text |\n\n| `id` | text |\n", []),
        ("| [0013](a.md) | A |\n| [0014](b.md) | B |\n", []),
        ("x" * 90 + "\n\n" + "x" * 80 + "y\n", ["x" * 80]),
        ("```\n" + "x" * 90 + "\n" + "x" * 90 + "\n```\n", []),
    ],
)
def test_the_lint_finds_what_is_said_twice(text: str, found: list[str]) -> None:
    assert said_twice(text) == found


def test_no_page_says_a_thing_twice() -> None:
    written = [page for page in pages() if page.name != "clients.md"]  # that one is written by its tests
    found = {str(page.relative_to(ROOT)): lines for page in written if (lines := said_twice(page.read_text()))}
    assert found == {}
