"""New states of governed rows, prepared before the entry that vouches for them exists."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from ensign_ledger import canonical

from ensign.control.audit.models import Governed
from ensign.control.kernel.errors import Conflict


def digest(content: str) -> str:
    """SHA-256 of the UTF-8 bytes, in hex: what the ledger commits to."""
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Staged:
    """One governed row's next version, not yet written."""

    model: type[Governed]
    id: str
    version: int
    before: str | None
    after: str
    content: str

    @property
    def object_name(self) -> str:
        """The name of the object in the ledger."""
        return f"{self.model.object_type}:{self.id}"

    def to_touch(self) -> dict[str, Any]:
        """The touch as it stands in the entry."""
        return {
            "object": self.object_name,
            "version": self.version,
            "before": self.before,
            "after": self.after,
        }

    def write(self, *, seq: int) -> None:
        """Write the row. The database refuses it unless entry ``seq`` has exactly this touch.

        :raises Conflict: when somebody else wrote the row since it was read.
        """
        # Plain SQL: having the ORM compile these on every commit costs more than the database does with them.
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            if self.version == 1:
                insert = f"INSERT INTO {table} (id, version, ledger_seq, content) VALUES (%s, 1, %s, %s)"  # noqa: S608  # our own table's name
                cursor.execute(insert, [self.id, seq, self.content])
                return
            update = f"UPDATE {table} SET version = %s, ledger_seq = %s, content = %s WHERE id = %s AND version = %s"  # noqa: S608  # as above
            cursor.execute(update, [self.version, seq, self.content, self.id, self.version - 1])
            written = cursor.rowcount
        if written != 1:
            raise Conflict(
                "Somebody else changed this meanwhile.",
                remedy="Reload it, look at their change and make yours again.",
                code="version-conflict",
            )


def stage(model: type[Governed], *, id: str, state: Mapping[str, Any], current: Governed | None = None) -> Staged:
    """The next version of a governed row.

    ``state`` is the whole new state (JSON of texts, integers, booleans, lists, objects; no floats, no ``nonce``);
    ``current`` is the row as it stands, or None for a new one.
    """
    if "nonce" in state:
        raise ValueError("`nonce` is reserved")
    content = canonical.encode({**state, "nonce": secrets.token_hex(16)}, free_keys=True).decode()
    if current is None:
        return Staged(model, id, 1, None, digest(content), content)
    if current.pk != id:
        raise ValueError("a governed row keeps its id")
    return Staged(model, id, current.version + 1, digest(current.content), digest(content), content)
