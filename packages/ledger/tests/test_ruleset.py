"""Statements about rulesets, their digests and proofs; the vectors in conformance/signed, for other implementations."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint
from ensign_ledger.note import parse_vkey
from ensign_ledger.ruleset import (
    HEADER,
    Statement,
    Untrusted,
    canonical_text,
    digest_of,
    item_hash,
    read_signed,
    ruleset_digest,
    verify_proof,
)
from ensign_ledger.sign import Signer

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "conformance/signed/rulesets.json").read_text(encoding="utf-8")
)
KEYS = [parse_vkey(VECTORS["vkey"])]
SIGNER = Signer(name=KEYS[0].name, seed=bytes.fromhex(VECTORS["seed"]))


def test_items_are_hashed_by_rfc_8785() -> None:
    for vector in VECTORS["items"]:
        text = canonical_text(vector["item"])
        assert text.decode() == vector["canonical"]
        assert text == rfc8785.dumps(vector["item"])
        assert item_hash(vector["kind"], text).hex() == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["rulesets"], ids=lambda vector: vector["statement"].split("\n")[2])
def test_rulesets_and_their_statements(vector: dict[str, Any]) -> None:
    segments = {item["id"]: item for item in vector["segments"]}
    assert ruleset_digest(vector["features"], segments, salt=vector["salt"]) == vector["digest"]
    said = read_signed(vector["note"], KEYS)
    assert said.text() == vector["statement"]
    assert said.digest == vector["digest"]
    assert SIGNER.sign_note(said.text()).decode() == vector["note"]


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: vector["name"])
def test_proofs(vector: dict[str, Any]) -> None:
    said = read_signed(vector["note"], KEYS)
    if vector["accepted"]:
        assert verify_proof(vector["proof"], said, KEYS).origin == said.origin
    else:
        with pytest.raises(Untrusted) as refusal:
            verify_proof(vector["proof"], said, KEYS)
        assert refusal.value.code == "proof"


def test_a_statement_is_no_checkpoint_and_a_checkpoint_no_statement() -> None:
    """One key signs both; neither may be taken for the other."""
    with pytest.raises(CheckpointError):
        parse_checkpoint(VECTORS["rulesets"][0]["note"].encode())
    checkpoint = VECTORS["proofs"][0]["proof"]["checkpoint"]
    assert parse_checkpoint(checkpoint.encode())[0].size == 4
    with pytest.raises(Untrusted):
        read_signed(checkpoint, KEYS)
    with pytest.raises(CheckpointError, match="origin"):
        parse_checkpoint(SIGNER.sign_note(f"{HEADER}\n5\n{'A' * 43}=\n"))


def test_what_binds_what() -> None:
    """Kind, salt and every item count; the order of items does not."""
    one, two = item_hash("feature", b"{}"), item_hash("segment", b"{}")
    assert one != two
    assert digest_of([one, two], salt="00" * 16) == digest_of([two, one], salt="00" * 16)
    assert digest_of([one], salt="00" * 16) != digest_of([one, two], salt="00" * 16)
    assert digest_of([one], salt="00" * 16) != digest_of([one], salt="01" * 16)


GOOD = VECTORS["rulesets"][0]["statement"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace(HEADER, "Ensign ruleset v2"),
        GOOD.replace("\n1.5\n", "\n1.05\n"),
        GOOD.replace("\n1.5\n", "\n1\n"),
        GOOD.replace("\n1.5\n", "\n-1.5\n"),
        GOOD.replace("\n1.5\n", "\n1.9999999999999999\n"),
        GOOD.replace("\nshop\n", "\n\n"),
        GOOD.replace("\nshop\n", "\nthe shop\n"),
        GOOD.replace("0001", "000A"),
        GOOD.replace("0001", "00"),
        GOOD.replace("\nproduction", ""),
    ],
)
def test_statements_have_one_spelling(text: str) -> None:
    assert text != GOOD
    with pytest.raises(Untrusted):
        Statement.parse(text)


def test_a_key_speaks_for_the_log_that_it_is_named_by() -> None:
    other = Signer(name="other.example/log", seed=b"\x07" * 32)
    note = other.sign_note(GOOD).decode()
    with pytest.raises(Untrusted, match="another key") as refusal:
        read_signed(note, [*KEYS, other.key])
    assert refusal.value.code == "foreign"


@pytest.mark.parametrize("item", [{"a": float("nan")}, {"a": "\ud800"}, {"a": {1, 2}}, {1: "a", "b": 2}])
def test_what_cannot_be_written_cannot_be_trusted(item: Any) -> None:
    with pytest.raises(Untrusted):
        canonical_text(item)


@pytest.mark.parametrize("proof", [None, 7, [], {}, {"entry": "{}", "index": 0, "path": [], "checkpoint": ""}])
def test_what_is_no_proof_proves_nothing(proof: object) -> None:
    with pytest.raises(Untrusted):
        verify_proof(proof, Statement.parse(GOOD), KEYS)
