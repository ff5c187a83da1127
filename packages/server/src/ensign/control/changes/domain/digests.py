"""The digest of a change: what an approval is about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ensign_ledger import canonical

from ensign.control.changes.domain.base import Operation


def change_digest(*, project: str, environment: str, operations: Sequence[Operation], base: Mapping[str, int]) -> str:
    """SHA-256 in hex of the canonical JSON of what would apply, and to which versions of what.

    ``base`` maps the name of every object touched or referenced to its version (0: not there yet). The policy's
    version is bound by the approval, beside this digest.
    """
    document = {
        "project": project,
        "environment": environment,
        "operations": [operation.to_json() for operation in operations],
        "base": dict(base),
    }
    return hashlib.sha256(canonical.encode(document, free_keys=True)).hexdigest()
