"""ensign-verify: exit 0, 1 or 2, a line for each check, a last sentence anybody understands, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ensign_ledger import cli
from ensign_ledger.canonical import encode
from ensign_ledger.report import CHECKS, printable
from ensign_ledger.sign import Signer
from ensign_ledger.testing import SimulatedLog, sample_log

OTHER_KEY = Signer(name="x", seed=b"\x02" * 32).key.fingerprint


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_good_bundle_with_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = sample_log()
    log.bundle(tmp_path / "b.zip")
    status, out, err = run(capsys, tmp_path / "b.zip", "--key", log.signer.key.fingerprint)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    for line, (number, (title, clause)) in zip(lines, CHECKS.items(), strict=False):
        assert line.startswith(f"{number:2d}  VALID ") or (number in {16, 19} and "NOT CHECKED" in line)
        assert title in line
        assert clause in line
    assert lines[-2].startswith("VALID. This record shows all 4 entries from number 0 on of the log ")
    assert lines[-1].endswith("the key that signed it is the one you named.")


def test_without_a_key_it_says_that_the_origin_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample_log().bundle(tmp_path / "b")
    status, out, _ = run(capsys, tmp_path / "b")
    assert status == 0
    assert "key origin: NOT CHECKED" in out.splitlines()
    assert "VALID in itself" in out
    assert "run this again with --key" in out


def test_another_key_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_log().bundle(tmp_path / "b")
    status, out, _ = run(capsys, tmp_path / "b", "--key", OTHER_KEY)
    assert status == 1
    assert " 3  INVALID " in out
    assert "INVALID. Check 3 failed" in out
    assert "Do not rely on this record" in out


def test_a_changed_bundle_names_the_failing_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_log().bundle(tmp_path / "b")
    (tmp_path / "b" / "entries.jsonl").write_bytes(b"")
    status, out, _ = run(capsys, tmp_path / "b")
    assert status == 1
    assert "INVALID. Check 1 failed" in out
    assert "entries.jsonl is not the file that was signed" in out


def test_the_json_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = sample_log()
    log.bundle(tmp_path / "b", low=1)
    status, out, _ = run(capsys, tmp_path / "b", "--json")
    value = json.loads(out)
    assert status == 0
    assert (value["verdict"], value["start"], value["end"]) == ("VALID", 1, 4)
    assert value["signed_by"] == log.signer.key.fingerprint
    assert [check["id"] for check in value["checks"]] == list(CHECKS)
    assert {check["outcome"] for check in value["checks"]} == {"VALID", "NOT_CHECKED"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_missing_path_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    for path in (tmp_path / "nowhere", "a\0b", "x" * 5000):
        status, out, err = run(capsys, path, *options)
        assert status == 2
        assert "cannot read" in out + err


def test_a_bad_fingerprint_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_log().bundle(tmp_path / "b")
    status, _, err = run(capsys, tmp_path / "b", "--key", "SHA256:abc")
    assert status == 2
    assert "--key" in err


def test_an_unknown_version_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_log().bundle(tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    status, out, _ = run(capsys, tmp_path / "b")
    assert status == 2
    assert "NOTHING WAS VERIFIED" in out
    status, out, _ = run(capsys, tmp_path / "b", "--json")
    assert json.loads(out)["verdict"] == "UNSUPPORTED"


def test_wrong_use_is_exit_2() -> None:
    with pytest.raises(SystemExit) as error:
        cli.main([])
    assert error.value.code == 2


def test_hostile_text_cannot_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names in a bundle may hold escape sequences, right-to-left marks and megabytes."""
    log = SimulatedLog()
    evil = "\x1b[2K\u202e" + "x" * 3000
    for _ in range(2):
        log.entries.append(encode({**log.entry("a.b"), "touch": [touch(evil, 2)] if log.entries else [touch(evil, 1)]}))
    log.bundle(tmp_path / "b", claim="none")
    status, out, _ = run(capsys, tmp_path / "b")
    assert status == 1
    assert "\\x1b[2K\\u202e" in out
    assert all(character == "\n" or " " <= character <= "~" for character in out)
    assert len(out) < 5000


def touch(name: str, version: int) -> dict[str, object]:
    return {
        "object": name,
        "version": version,
        "before": None if version == 1 else "0" * 64,
        "after": "1" * 64,
    }


def test_printable_text_is_short_and_plain() -> None:
    assert printable("a\nb\x1b\u00e9") == "a\\nb\\x1b\\xe9"
    assert len(printable("x" * 1000)) == 400


def test_a_reader_that_goes_away_gives_no_traceback(tmp_path: Path) -> None:
    sample_log().bundle(tmp_path / "b")
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from ensign_ledger.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 2
    assert done.stderr == b""


def test_the_installed_command_runs(tmp_path: Path) -> None:
    sample_log().bundle(tmp_path / "b")
    program = Path(sys.executable).with_name("ensign-verify")
    done = subprocess.run([program, tmp_path / "b"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
