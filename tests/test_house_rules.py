"""House rules that no linter knows: deferred imports give their reason, files and functions stay short, and the lint of
them is itself tried on offenders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
_REASON = re.compile(r"# (?:deferred|here): (.*)")
MAX_FILE, MAX_FUNCTION = 400, 50


def deferred_imports(source: str) -> Iterator[int]:
    """Lines of imports inside functions that do not say why: ``# deferred: …`` or ``# here: …``."""
    lines = source.splitlines()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    statement = " ".join(lines[node.lineno - 1 : node.end_lineno])
                    reason = _REASON.search(statement)
                    if reason is None or len(reason[1].split()) < 3:
                        yield node.lineno


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Functions of more than 50 lines of code; the docstring and the signature do not count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and (node.end_lineno or 0) - body[0].lineno + 1 > MAX_FUNCTION:
                yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def unfinished(source: str) -> Iterator[int]:
    """Lines that say that something is still to be done."""
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    for number, line in enumerate(source.splitlines(), 1):
        if any(word in line for word in words):
            yield number


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    import os\n", [2]),
        ("def f():\n    from a import b  # deferred\n", [2]),
        ("async def f():\n    from a import b  # deferred: cycle\n", [2]),
        ("def f():\n    import a  # deferred: psycopg is an extra\n", []),
        ("import os\nclass A:\n    import b\n", []),
    ],
)
def test_the_lint_finds_imports_that_are_deferred_without_a_reason(source: str, lines: list[int]) -> None:
    assert list(deferred_imports(source)) == lines


def test_the_lint_measures_functions_without_their_docstring() -> None:
    body = "\n".join("    x = 1" for _ in range(51))
    assert list(long_functions(f"def f():\n    '''d\n\n    e'''\n{body}\n")) == [("f", 51)]
    assert list(long_functions("def f():\n" + "\n".join("    x = 1" for _ in range(50)))) == []


def test_no_import_is_deferred_to_hide_a_cycle() -> None:
    found = [f"{p.relative_to(ROOT)}:{line}" for p in SOURCES for line in deferred_imports(p.read_text("utf-8"))]
    assert found == []


def test_files_stay_under_400_lines() -> None:
    found = {
        str(p.relative_to(ROOT)): lines
        for p in SOURCES
        if "migrations" not in p.parts and (lines := len(p.read_text("utf-8").splitlines())) > MAX_FILE
    }
    assert found == {}


def test_functions_stay_under_50_lines() -> None:
    found = [
        f"{p.relative_to(ROOT)}: {name} has {lines}"
        for p in SOURCES
        if "migrations" not in p.parts
        for name, lines in long_functions(p.read_text("utf-8"))
    ]
    assert found == []


def test_nothing_is_left_to_be_done() -> None:
    found = [f"{p.relative_to(ROOT)}:{line}" for p in SOURCES for line in unfinished(p.read_text("utf-8"))]
    assert found == []
