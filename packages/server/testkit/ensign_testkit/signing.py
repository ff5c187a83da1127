"""Signing rulesets in tests as publishing does, with any key and any lie."""

from __future__ import annotations

from typing import Any

from ensign_ledger.merkle import inclusion_proof
from ensign_ledger.ruleset import Statement, ruleset_digest
from ensign_ledger.sign import Signer
from ensign_ledger.testing import SimulatedLog

ORIGIN = "log.example/ensign"


def signer(seed: int = 1, *, origin: str = ORIGIN) -> Signer:
    """A key that is the same in every run."""
    return Signer(name=origin, seed=bytes([seed]) * 32)


def statement(content: dict[str, Any], *, origin: str = ORIGIN, **lies: Any) -> Statement:
    """The statement about a ruleset's content; ``lies`` replace members of it."""
    salt = "5a" * 16
    segments = {item["id"]: item for item in content["segments"]}
    said = {
        "project": content["project"],
        "environment": content["environment"],
        "epoch": content["epoch"],
        "number": content["number"],
        "salt": salt,
        "digest": ruleset_digest(content["features"], segments, salt=salt),
    }
    return Statement(origin=origin, **{**said, **lies})


def note(content: dict[str, Any], key: Signer, **lies: Any) -> str:
    """The signed statement about a ruleset's content."""
    return key.sign_note(statement(content, **{"origin": key.key.name, **lies}).text()).decode()


def signed(content: dict[str, Any], key: Signer, **lies: Any) -> dict[str, Any]:
    """The content with its signature."""
    return {**content, "signature": note(content, key, **lies)}


def proof(log: SimulatedLog, said: Statement, *, index: int, size: int | None = None, **lies: Any) -> dict[str, Any]:
    """What the delivery plane hands out for a statement whose entry has that number; ``lies`` replace members."""
    last = len(log.entries) if size is None else size
    made = {
        "project": said.project,
        "environment": said.environment,
        "epoch": said.epoch,
        "number": said.number,
        "entry": log.entries[index].decode(),
        "index": index,
        "path": [hash.hex() for hash in inclusion_proof(log.leaves(), index, last)],
        "checkpoint": log.checkpoint(last).decode(),
    }
    return {**made, **lies}


def published(log: SimulatedLog, said: Statement) -> int:
    """Append the entry that publishes a statement; returns its number."""
    log.append(
        "change.applied",
        where={"project": said.project, "environment": said.environment},
        detail={"rulesets": [said.fact()]},
    )
    return len(log.entries) - 1
