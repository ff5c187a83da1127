"""The engine gives what the Unleash client specification and Ensign's own vectors say."""

import json
import subprocess
import sys
from pathlib import Path

from ensign_engine.conformance import main, run_directory


def _run(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ensign_engine.conformance", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_client_specification_passes_wholly(specification: Path) -> None:
    """All 279 cases of client-specification 6.1.0 pass, through the command that users run."""
    result = _run(specification)
    assert (result.stdout, result.returncode) == ("279 passed, 0 failed\n", 0)


def test_our_own_vectors_pass(vectors: Path) -> None:
    """Every case of conformance/evaluation passes, and the index names every file."""
    failed = [case for case in run_directory(vectors / "evaluation") if not case.passed]
    assert failed == []
    files = {path.name for path in (vectors / "evaluation").glob("*.json")} - {"index.json"}
    assert files == set(json.loads((vectors / "evaluation" / "index.json").read_text()))


def test_a_failure_is_named_and_fails_the_command(tmp_path: Path) -> None:
    """A wrong expectation is named with what came out; the exit code is 1."""
    case = {"description": "wrong", "context": {}, "toggleName": "x", "expectedResult": True}
    variant = {**case, "description": "odd", "expectedResult": {"name": "a", "enabled": True}}
    content = {"name": "n", "state": {"features": []}, "tests": [case], "variantTests": [variant]}
    (tmp_path / "one.json").write_text(json.dumps(content))
    (tmp_path / "index.json").write_text('["one.json"]')
    result = _run(tmp_path)
    assert "FAILED one.json: wrong: expected True, got False" in result.stdout
    assert "FAILED one.json: odd:" in result.stdout
    assert result.stdout.endswith("0 passed, 2 failed\n")
    assert result.returncode == 1


def test_an_unusable_directory_is_said_so(tmp_path: Path) -> None:
    """A folder without index.json, or no folder at all, is exit code 2 and a sentence, no traceback."""
    result = _run(tmp_path)
    assert result.returncode == 2
    assert "cannot run the vectors" in result.stderr
    assert "Traceback" not in result.stderr
    assert main([]) == 2


def test_a_number_is_not_a_boolean(tmp_path: Path) -> None:
    """An expectation of 1 does not pass for True: the runner compares types, too."""
    case = {"description": "one", "context": {}, "toggleName": "x", "expectedResult": 1}
    flag = {"name": "x", "enabled": True, "strategies": []}
    (tmp_path / "one.json").write_text(json.dumps({"state": {"features": [flag]}, "tests": [case]}))
    (tmp_path / "index.json").write_text('["one.json"]')
    assert [result.passed for result in run_directory(tmp_path)] == [False]
