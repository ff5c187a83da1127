"""Writes conformance/signed/rulesets.json: ``python packages/ledger/tests/make_signed_vectors.py FILE``.

The vectors are fixed; run this only to add to them, and review the difference.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ensign_ledger.merkle import inclusion_proof
from ensign_ledger.ruleset import (
    FEATURE,
    SEGMENT,
    Statement,
    canonical_text,
    item_hash,
    ruleset_digest,
)
from ensign_ledger.testing import SimulatedLog

SALT = "000102030405060708090a0b0c0d0e0f"


def feature(name: str, *, project: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "enabled": True, "impressionData": False, "project": project, "strategies": [], "variants": [],
        **more,
    }  # fmt: skip


SEGMENTS = [
    {"id": 7, "name": "testers", "constraints": [{
        "contextName": "email", "operator": "STR_ENDS_WITH", "values": ["@example.com"],
        "inverted": False, "caseInsensitive": False,
    }]},
    {"id": 8, "name": "unused", "constraints": []},
]  # fmt: skip
MENU = feature(
    "menu",
    strategies=[{"name": "default", "constraints": [], "parameters": {}, "variants": [], "segments": [7]}],
    variants=[{
        "name": "grön", "weight": 1000, "weightType": "variable", "stickiness": "default", "overrides": [],
        "payload": {"type": "string", "value": "\"\\/\b\f\n\r\t\u0001\u007f\u2028€\U0001f600"},
    }],
)  # fmt: skip
SHOP = {"project": "shop", "features": [MENU, feature("basket", enabled=False)]}
BANK = {"project": "bank", "features": [feature("loan", project="bank")]}


def statement(log: SimulatedLog, place: dict[str, Any], *, number: int, **more: Any) -> Statement:
    segments = {item["id"]: item for item in SEGMENTS}
    digest = ruleset_digest(place["features"], segments, salt=SALT)
    said = {"project": place["project"], "environment": "production", "epoch": 1, "number": number, "digest": digest}
    return Statement(origin=log.origin, salt=SALT, **{**said, **more})


def signed(log: SimulatedLog, said: Statement) -> str:
    return log.signer.sign_note(said.text()).decode()


def vectors() -> dict[str, Any]:
    log = SimulatedLog()
    shop, bank = statement(log, SHOP, number=5), statement(log, BANK, number=6)
    items = [(FEATURE, MENU), (FEATURE, SHOP["features"][1]), (SEGMENT, SEGMENTS[0])]
    return {
        "vkey": log.signer.key.vkey,
        "seed": log.signer.seed.hex(),
        "items": [
            {"kind": kind, "item": item, "canonical": canonical_text(item).decode(),
             "hash": item_hash(kind, canonical_text(item)).hex()}
            for kind, item in items
        ],
        "rulesets": [
            {"features": place["features"], "segments": SEGMENTS, "salt": SALT, "digest": said.digest,
             "statement": said.text(), "note": signed(log, said)}
            for place, said in ((SHOP, shop), (BANK, bank))
        ],
        "documents": documents(log, shop, bank),
        "proofs": proofs(log, shop),
    }  # fmt: skip


def documents(log: SimulatedLog, shop: Statement, bank: Statement) -> list[dict[str, Any]]:
    """What a client of the environment production that wants the project shop takes over, and what it refuses."""
    both = [signed(log, shop), signed(log, bank)]
    flags = [*SHOP["features"], *BANK["features"]]
    other = SimulatedLog(seed=b"\x02" * 32)
    elsewhere = statement(log, SHOP, number=5, environment="development")

    def case(name: str, refused: str | None = None, **changes: Any) -> dict[str, Any]:
        notes = changes.pop("signatures", both)
        document = {"version": 2, "features": flags, "segments": SEGMENTS, "meta": {"signatures": notes}, **changes}
        return {"name": name, "document": document, "refused": refused}

    return [
        case("two projects"),
        case("another order", features=flags[::-1]),
        case("a segment that nobody uses is left out", segments=SEGMENTS[:1]),
        case("one project", signatures=both[:1], features=SHOP["features"]),
        case("an altered flag", "altered", features=[flags[0], feature("basket"), flags[2]]),
        case("a flag left out", "altered", features=flags[1:]),
        case("a flag more", "altered", features=[*flags, feature("evil")]),
        case("a used segment left out", "altered", segments=SEGMENTS[1:]),
        case("a used segment altered", "altered", segments=[{**SEGMENTS[0], "constraints": []}]),
        case("no signatures", "unsigned", signatures=[]),
        case("flags of a project without a signature", "unsigned", signatures=both[:1]),
        case("a project signed twice", "altered", signatures=[*both, both[0]]),
        case("without the project that is wanted", "missing", signatures=both[1:], features=BANK["features"]),
        case("of another environment", "foreign", signatures=[signed(log, elsewhere)], features=SHOP["features"]),
        case("of another key", "altered", signatures=[signed(other, shop), both[1]]),
        case("a checkpoint in place of a statement", "altered", signatures=[log.checkpoint(0).decode(), both[1]]),
    ]


def proofs(log: SimulatedLog, shop: Statement) -> list[dict[str, Any]]:
    for _ in range(3):
        log.append("session.started")
    log.append(
        "change_request.applied",
        where={"project": "shop", "environment": "production"},
        detail={"rulesets": [shop.fact()]},
    )
    for _ in range(2):
        log.append("session.started")

    def made(index: int, size: int) -> dict[str, Any]:
        return {
            "entry": log.entries[index].decode(),
            "index": index,
            "path": [item.hex() for item in inclusion_proof(log.leaves(), index, size)],
            "checkpoint": log.checkpoint(size).decode(),
        }

    note = signed(log, shop)
    return [
        {"name": "of 4 entries", "note": note, "proof": made(3, 4), "accepted": True},
        {"name": "of 6 entries", "note": note, "proof": made(3, 6), "accepted": True},
        {"name": "another entry", "note": note, "proof": made(2, 6), "accepted": False},
        {"name": "a path cut short", "note": note, "proof": {**made(3, 6), "path": made(3, 6)["path"][:-1]},
         "accepted": False},
        {"name": "another place", "note": note, "proof": {**made(3, 6), "index": 4}, "accepted": False},
        {"name": "another size", "note": note, "proof": {**made(3, 6), "checkpoint": log.checkpoint(5).decode()},
         "accepted": False},
    ]  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
