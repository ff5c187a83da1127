"""Readings as they travel between nodes, over HTTP (`edge_feed`) and NATS (`nats_records`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple
from typing import Any

from ensign.delivery.held import Copy
from ensign.delivery.history import History, RevisionRow
from ensign.delivery.tokens import TokenRow


def told(history: History, copies: Mapping[str, Copy], since: int) -> dict[str, Any]:
    """Versions of `copies`, and what was published of them after `since`; contents and tokens are the caller's."""
    rows = history.rows({copy.place for copy in copies.values()}, since)
    return {
        "versions": {id: copy.version for id, copy in copies.items()},
        "revisions": [astuple(row) for row in rows],
        "floor": since, "number": history.covered, "epoch": history.epoch,
    }  # fmt: skip


def tokens_told(rows: Iterable[TokenRow]) -> list[dict[str, Any]]:
    """Rows of tokens, in an order of their own: what is equal looks equal."""
    return [asdict(row) for row in sorted(rows, key=lambda row: row.hash)]


def tokens_heard(rows: Iterable[Mapping[str, Any]]) -> tuple[TokenRow, ...]:
    """The same back. Raises ValueError, TypeError, KeyError."""
    return tuple(
        TokenRow(
            hash=str(row["hash"]),
            type=str(row["type"]),
            environment=str(row["environment"]),
            status=str(row["status"]),
            expires_at=None if row["expires_at"] is None else str(row["expires_at"]),
            projects=tuple(str(project) for project in row["projects"]),
        )
        for row in rows
    )


def revisions_heard(rows: Iterable[Iterable[Any]]) -> tuple[RevisionRow, ...]:
    """Rows of `publishing_revision`. Raises ValueError, TypeError."""
    return tuple(
        RevisionRow(int(number), int(epoch), str(project), str(environment), None if delta is None else str(delta))
        for number, epoch, project, environment, delta in rows
    )


def proofs_heard(documents: Iterable[Any]) -> dict[str, str]:
    """Proofs, as they were told; whoever asks for one verifies it. Raises ValueError, TypeError, KeyError."""
    found: dict[str, str] = {}
    for document in documents:
        shape = json.loads(document)
        found[f"{shape['project']}/{shape['environment']}"] = str(document)
    return found
