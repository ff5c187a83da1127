"""The vectors in conformance/ledger, which any other implementation can run too."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from ensign_ledger import canonical, merkle
from ensign_ledger.approval import (
    About,
    Signature,
    approval_challenge,
    enrolment_challenge,
    enrolment_problem,
    parse_enrolment,
    parse_signature,
    shown_digest,
    signature_problem,
)
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint
from ensign_ledger.cose import parse_key
from ensign_ledger.note import NoteError, parse_vkey, signers_of
from ensign_ledger.passkey import Assertion, problem
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


def test_passkeys() -> None:
    vectors = load("passkeys")
    made = vectors["statements"]
    assert shown_digest(**made["shown"]["of"]) == made["shown"]["digest"]
    said = dict(made["approval"]["of"])
    about = About(**{name: said.pop(name) for name in ("log", "request", "round", "approver", "digest", "policy")})
    assert approval_challenge(about, **said).hex() == made["approval"]["challenge"]
    key = made["enrolment"]["of"]
    key = {**key, "public_key": bytes.fromhex(key["public_key"])}
    assert enrolment_challenge(**key).hex() == made["enrolment"]["challenge"]
    for item in vectors["answers"]:
        answer = Assertion(
            bytes.fromhex(item["authenticator_data"]), item["client_data"].encode(), bytes.fromhex(item["signature"])
        )
        found = problem(
            answer,
            key=parse_key(bytes.fromhex(item["public_key"])),
            challenge=bytes.fromhex(item["challenge"]),
            host=item["host"],
            origin=item["origin"],
        )
        assert (found is None) is item["good"], (item["what"], found)
    assert {item["good"] for item in vectors["answers"]} == {True, False}


def test_what_a_browser_signed_verifies_and_no_member_of_it_can_be_changed() -> None:
    enrolled, approved = load("passkeys")["recorded"]
    enrolment = parse_enrolment(enrolled["detail"])
    assert enrolment_problem(enrolment, log=enrolled["log"], at=enrolled["detail"]["at"]) is None
    said = approved["detail"]
    about = About(
        log=approved["log"],
        request=said["request"],
        round=said["round"],
        approver=approved["actor"]["id"],
        digest=said["digest"],
        policy=said["policy"],
    )

    def judged(signature: Signature, about: About) -> str | None:
        key = parse_key(enrolment.public_key)
        return signature_problem(signature, about, key=key, at=said["at"], host=enrolment.host, origin=enrolment.origin)

    signature = parse_signature(said["signature"])
    assert judged(signature, about) is None
    for name in ("log", "request", "approver", "digest", "policy"):
        assert judged(signature, replace(about, **{name: "another"})) is not None, name
    assert judged(signature, replace(about, round=2)) is not None
    for name in ("shown", "nonce"):
        assert judged(replace(signature, **{name: "another"}), about) is not None, name
    assert judged(replace(signature, expires="2099-01-01T00:00:00Z"), about) is not None
    assert judged(replace(signature, issued="2020-01-01T00:00:00Z"), about) is not None


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
