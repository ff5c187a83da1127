"""Runs vectors of the Unleash client specification's shape: `python -m ensign_engine.conformance DIR`.

DIR holds `index.json`, a list of file names; each file is `{name, state, tests?, variantTests?}`.
Ensign's own vectors (conformance/evaluation) have the same shape with a few more keys, see the README there.
Prints `N passed, M failed` after naming every failure; exit code 1 for failures, 2 for an unusable DIR.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ensign_engine.errors import RulesetError
from ensign_engine.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: where it stands, what was expected and what came out."""

    file: str
    description: str
    expected: object
    actual: object

    @property
    def passed(self) -> bool:
        """Whether the engine gave what was expected, and of the same type."""
        return type(self.expected) is type(self.actual) and self.expected == self.actual


def run_directory(directory: Path) -> list[CaseResult]:
    """Every case of every file that `directory`/index.json names. Raises OSError and ValueError."""
    names = json.loads((directory / "index.json").read_text(encoding="utf-8"))
    return [case for name in names for case in run_file(directory / name)]


def run_file(path: Path) -> Iterator[CaseResult]:
    """Every case of one file. Raises OSError, ValueError, RulesetError."""
    content = json.loads(path.read_text(encoding="utf-8"))
    ruleset = load(content)
    for case in content.get("tests", ()):
        actual = ruleset.is_enabled(case["toggleName"], case["context"])
        yield CaseResult(path.name, case["description"], case["expectedResult"], actual)
    for case in content.get("variantTests", ()):
        expected = {key: value for key, value in case["expectedResult"].items() if value is not None}
        variant = ruleset.get_variant(case["toggleName"], case["context"]).to_dict()
        yield CaseResult(path.name, case["description"], expected, variant)


def load(content: Mapping[str, Any]) -> Ruleset:
    """The ruleset that a vector file describes: its `state`, then its `deltas`, under its `options`."""
    given = dict(content.get("options", {}))
    options: dict[str, Any] = {}
    if "random" in given:
        draw = float(given["random"])
        options["random"] = lambda: draw
    if "now" in given:
        moment = datetime.fromisoformat(given["now"])
        options["now"] = lambda: moment
    for key, option in (("hostname", "hostname"), ("staticContext", "static_context")):
        if key in given:
            options[option] = given[key]
    ruleset = Ruleset.empty(**options).apply_delta(content["state"])
    for delta in content.get("deltas", ()):
        ruleset = ruleset.apply_delta(delta)
    return ruleset


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m ensign_engine.conformance DIR", file=sys.stderr)
        return 2
    try:
        cases = run_directory(Path(arguments[0]))
    except (OSError, ValueError, KeyError, RulesetError) as problem:
        print(f"cannot run the vectors in {arguments[0]}: {problem}", file=sys.stderr)
        return 2
    failed = [case for case in cases if not case.passed]
    for case in failed:
        print(f"FAILED {case.file}: {case.description}: expected {case.expected!r}, got {case.actual!r}")
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
