"""A bundle verifies as a directory and as a zip file, with the package and with the verifier inside it."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ensign_ledger import onefile
from ensign_ledger.bundle import BundleError
from ensign_ledger.checkpoint import CheckpointError, LogKey
from ensign_ledger.manifest import parse_manifest
from ensign_ledger.report import CHECKS, Outcome
from ensign_ledger.sign import Signer
from ensign_ledger.testing import SimulatedLog, sample_log
from ensign_ledger.verify import verify_bundle

VALID, NOT_CHECKED = Outcome.VALID, Outcome.NOT_CHECKED


def run_inside(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python isolated, without site packages and in an empty environment."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *arguments], cwd=cwd, env={}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
@pytest.mark.parametrize(("start", "end"), [(0, 4), (0, 0), (1, 4), (2, 3), (3, 3), (4, 4)])
def test_every_range_verifies_in_both_containers(tmp_path: Path, name: str, start: int, end: int) -> None:
    log = sample_log()
    log.bundle(tmp_path / name, low=start, high=end)
    report = verify_bundle(tmp_path / name, keys=[log.signer.key.fingerprint])
    assert report.valid, report.first_failure
    assert report.exit_code == 0
    assert (report.log, report.start, report.end) == (log.origin, start, end)
    assert [check.id for check in report.checks] == list(CHECKS)
    assert {c.id for c in report.checks if c.outcome is not VALID} == {16} | ({19} if start <= 2 < end else set())


def test_without_a_named_key_its_origin_is_not_checked(tmp_path: Path) -> None:
    sample_log().bundle(tmp_path / "b")
    report = verify_bundle(tmp_path / "b")
    assert report.valid
    assert report.outcome(3) is NOT_CHECKED


def test_anchors_within_the_range_are_compared(tmp_path: Path) -> None:
    log = sample_log()
    anchors = [log.anchor(size) for size in (1, 2, 3, 4)]
    out = tmp_path / "b"
    log.bundle(out, low=2, anchors=anchors)
    for semantics in (True, False):
        report = verify_bundle(tmp_path / "b", semantics=semantics)
        assert report.valid
        assert report.outcome(16) is VALID
        assert "3 agree, 1 outside" in report.checks[15].detail


def test_an_anchor_with_another_root_condemns_the_bundle(tmp_path: Path) -> None:
    log, other = sample_log(), sample_log()
    other.entries[0] = other.entries[0].replace(b"setup", b"setip")
    log.bundle(tmp_path / "b", anchors=[other.anchor(2)])
    report = verify_bundle(tmp_path / "b")
    assert not report.valid
    assert report.first_failure is not None
    assert report.first_failure.id == 16


def test_a_rotated_key_is_accepted_by_tree_size(tmp_path: Path) -> None:
    log = sample_log()
    new = Signer(name=log.origin, seed=b"\x02" * 32)
    keys = [LogKey(log.signer.key, 0, 3), LogKey(new.key, 3)]
    end = new.sign_note(log.checkpoint(4).decode().split("\n\n")[0] + "\n")
    log.bundle(tmp_path / "good", low=2, keys=keys, signer=new, end=end)
    assert verify_bundle(tmp_path / "good", keys=[new.key.fingerprint]).valid
    log.bundle(tmp_path / "bad", low=2, keys=keys, signer=new)  # the old key, beyond its size
    report = verify_bundle(tmp_path / "bad", keys=[new.key.fingerprint])
    assert report.first_failure is not None
    assert report.first_failure.id == 5


def test_a_retired_key_cannot_sign_the_list_of_files(tmp_path: Path) -> None:
    log = sample_log()
    new = Signer(name=log.origin, seed=b"\x02" * 32)
    end = new.cosign(log.checkpoint(4))
    log.bundle(tmp_path / "b", keys=[LogKey(log.signer.key, 0, 3), LogKey(new.key, 3)], end=end)
    report = verify_bundle(tmp_path / "b")
    assert report.outcome(2) is Outcome.INVALID


def test_missing_documents_are_accounted_for(tmp_path: Path) -> None:
    """Redacted by an entry: fine. Claimed to be all: invalid. Said to be some or none: not checked."""
    log = sample_log()
    gone = next(digest for digest, data in log.documents.items() if b"more customers" in data)
    some = [data for digest, data in log.documents.items() if digest != gone]
    log.bundle(tmp_path / "all", documents=some)
    log.bundle(tmp_path / "some", documents=some, claim="some")
    log.bundle(tmp_path / "none", documents=[], claim="none")
    assert verify_bundle(tmp_path / "all").first_failure is not None
    assert verify_bundle(tmp_path / "all").outcome(12) is Outcome.INVALID
    for name in ("some", "none"):
        report = verify_bundle(tmp_path / name)
        assert report.valid
        assert report.outcome(12) is NOT_CHECKED
    log.append("subject.erased", redacts=[gone])
    log.bundle(tmp_path / "redacted", documents=some)
    report = verify_bundle(tmp_path / "redacted")
    assert report.valid
    assert report.outcome(12) is VALID
    assert "1 redacted" in report.checks[11].detail


def test_the_verifier_inside_gives_the_same_report_in_an_empty_environment(tmp_path: Path) -> None:
    log = sample_log()
    log.bundle(tmp_path / "good")
    log.bundle(tmp_path / "good.zip")
    other = SimulatedLog(seed=b"\x09" * 32)
    other.append("workspace.created")
    other.bundle(tmp_path / "other")
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    entries = tmp_path / "bad" / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"flg_a", b"flg_b"))
    script = str(tmp_path / "good" / "verify.py")
    for name in ("good", "good.zip", "bad", "other"):
        for keys in ([], [log.signer.key.fingerprint]):
            options = [part for key in keys for part in ("--key", key)]
            done = run_inside(script, name, "--json", *options, cwd=tmp_path)
            expected = verify_bundle(tmp_path / name, keys=keys)
            assert done.stderr == ""
            assert done.stdout.encode() == expected.to_json() + b"\n"
            assert done.returncode == expected.exit_code


def test_the_extracted_bundle_checks_itself_without_arguments(tmp_path: Path) -> None:
    """Extracted by an ordinary zip program, from any working directory."""
    log = sample_log()
    log.bundle(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "out")
    done = run_inside("out/verify.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "key origin: NOT CHECKED" in done.stdout
    assert "came with the bundle" in done.stdout
    (tmp_path / "out" / "keys.txt").write_text("x")
    done = run_inside("verify.py", "--key", log.signer.key.fingerprint, cwd=tmp_path / "out")
    assert done.returncode == 1
    assert "keys.txt is not the file that was signed" in done.stdout


def test_the_build_of_the_verifier_is_deterministic_and_complete() -> None:
    """Every module that the verifier imports is embedded, so that none is taken from elsewhere."""
    assert onefile.build() == onefile.build()
    code = "import sys, ensign_ledger.cli; print(*sorted(m for m in sys.modules if m.startswith('ensign_l')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[2] for name in done.stdout.split()} - {""}
    assert loaded == set(onefile.MODULES)


def test_two_exports_of_one_range_are_identical(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        sample_log().bundle(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_manifest_carries_what_the_exporter_says(tmp_path: Path) -> None:
    log = sample_log()
    written = log.bundle(tmp_path / "b", export={"run_by": "usr_ada", "rows": 4})
    read = parse_manifest((tmp_path / "b" / "manifest.json").read_bytes())
    assert read == written
    assert json.loads((tmp_path / "b" / "manifest.json").read_bytes())["export"] == {"run_by": "usr_ada", "rows": 4}


def test_a_bundle_that_would_not_verify_is_never_written(tmp_path: Path) -> None:
    log = sample_log()
    stranger = Signer(name="other", seed=b"\x07" * 32)
    wrong: list[dict[str, Any]] = [
        {"entries": log.entries[:-1]},
        {"entries": [*log.entries[:-1], log.entries[0]]},
        {"entries": [b"x" * 70_000]},
        {"entries": [b"a\nb"]},
        {"frontier": log.frontier(1)},
        {"signer": stranger},
        {"claim": "most"},
        {"documents": [b'{"a":1}']},
        {"documents": [b"nonsense"]},
        {"start": log.checkpoint(4), "frontier": log.frontier(4), "end": log.checkpoint(2)},
    ]
    for overrides in wrong:
        for name in ("b", "b.zip"):
            with pytest.raises(BundleError):
                log.bundle(tmp_path / name, **overrides)
    with pytest.raises(CheckpointError):
        log.bundle(tmp_path / "b", end=b"")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    log = sample_log()
    for name in ("b", "b.zip"):
        log.bundle(tmp_path / name)
        with pytest.raises(FileExistsError):
            log.bundle(tmp_path / name)
