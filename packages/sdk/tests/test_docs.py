"""Claims: the programs in the how-to are the ones that the tests run, and the examples give what they say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import ensign_engine.openfeature
import ensign_sdk.openfeature
import ensign_sdk.typed
import pytest

REPOSITORY = Path(__file__).parents[3]
SHOWN = re.compile(r"<!-- (\S+\.py) -->\n```python\n(.*?)\n```", re.DOTALL)


def test_the_programs_shown_are_the_programs_tested() -> None:
    found = SHOWN.findall((REPOSITORY / "docs" / "howto" / "use-the-python-sdk.md").read_text("utf-8"))
    assert len(found) == 4
    for path, shown in found:
        assert (REPOSITORY / path).read_text("utf-8").rstrip() == shown, path


def test_the_examples_of_the_testing_how_to_hold() -> None:
    page = REPOSITORY / "docs" / "howto" / "test-code-with-flags.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 10) == (0, True)


@pytest.mark.parametrize("module", [ensign_engine.openfeature, ensign_sdk.openfeature, ensign_sdk.typed])
def test_the_examples_of_modules_hold(module) -> None:
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
