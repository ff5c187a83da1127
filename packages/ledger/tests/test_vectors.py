"""The vectors in conformance/ledger, which any other implementation can run too."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from ensign_ledger import canonical, merkle
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint
from ensign_ledger.note import NoteError, parse_vkey, signers_of
from ensign_ledger.report import Outcome
from ensign_ledger.verify import verify_bundle

VECTORS = Path(__file__).parents[3] / "conformance" / "ledger"


def load(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return value


def test_canonical() -> None:
    vectors = load("canonical")
    for item in vectors["accepted"]:
        data = bytes.fromhex(item["hex"])
        value = canonical.decode(data, free_keys=item["free_keys"])
        assert canonical.encode(value, free_keys=item["free_keys"]) == data == rfc8785.dumps(value)
    for text in vectors["refused"]:
        with pytest.raises(canonical.CanonicalError):
            canonical.decode(text.encode())


def test_merkle() -> None:
    vectors = load("merkle")
    leaves = [merkle.leaf_hash(bytes.fromhex(item)) for item in vectors["data"]]
    assert [leaf.hex() for leaf in leaves] == vectors["leaves"]
    roots = [bytes.fromhex(item) for item in vectors["roots"]]
    assert [merkle.root(leaves[:size]) for size in range(9)] == roots
    for item in vectors["inclusion"]:
        index, size, proof = item["index"], item["size"], [bytes.fromhex(h) for h in item["proof"]]
        assert merkle.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=roots[size])
    for item in vectors["consistency"]:
        first, second, proof = item["first"], item["second"], [bytes.fromhex(h) for h in item["proof"]]
        assert merkle.verify_consistency(
            first=first, second=second, first_root=roots[first], second_root=roots[second], proof=proof
        )


def test_checkpoint() -> None:
    vectors = load("checkpoint")
    key = parse_vkey(vectors["vkey"])
    assert key.public_key.hex() == vectors["public_key"]
    assert key.fingerprint == vectors["fingerprint"]
    point, note = parse_checkpoint(vectors["note"].encode())
    assert (point.origin, point.size, point.root.hex()) == (
        vectors["origin"],
        vectors["size"],
        vectors["root"],
    )
    assert signers_of(note, [key]) == [key]
    for text in vectors["refused"]:
        assert text != vectors["note"]
        with pytest.raises((CheckpointError, NoteError)):
            signers_of(parse_checkpoint(text.encode())[1], [key])


def test_bundle(tmp_path: Path) -> None:
    vectors = load("bundle")
    for name, text in vectors["files"].items():
        (tmp_path / name).write_bytes(text.encode())
    assert verify_bundle(tmp_path, keys=[vectors["key"]]).exit_code == vectors["exit_code"] == 0
    for change in vectors["changes"]:
        path, good = tmp_path / change["file"], vectors["files"][change["file"]]
        assert change["old"] in good
        path.write_bytes(good.replace(change["old"], change["new"], 1).encode())
        report = verify_bundle(tmp_path, keys=[vectors["key"]])
        assert report.exit_code == 1
        for number in change["invalid"]:
            assert report.outcome(number) is Outcome.INVALID, change
        path.write_bytes(good.encode())
