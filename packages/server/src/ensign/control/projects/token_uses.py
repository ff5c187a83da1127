"""When client tokens were last used: stored for the delivery plane, read for the list of tokens.

Not an operation: nobody's act, no governed state, no entry. Precise to about ten minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection

from ensign.control.kernel.transactions import write_door
from ensign.control.projects.models import TokenUse

_USED = """
INSERT INTO projects_client_token_use (token_hash, last_used_at) VALUES (%s, %s)
ON CONFLICT (token_hash) DO UPDATE SET last_used_at = excluded.last_used_at
WHERE projects_client_token_use.last_used_at < excluded.last_used_at"""


def store(uses: Mapping[str, datetime]) -> None:
    """Remember token hash -> last use; several nodes may do so at once, and an older use changes nothing."""
    if not uses:
        return
    instant = connection.ops.adapt_datetimefield_value
    with write_door(), connection.cursor() as cursor:
        cursor.executemany(_USED, sorted((token_hash, instant(at)) for token_hash, at in uses.items()))


def forget(*, before: datetime) -> int:
    """Delete what was last used before ``before``; returns how many rows went."""
    with write_door():
        return TokenUse.objects.filter(last_used_at__lt=before).delete()[0]


def last_used(token_hashes: Collection[str]) -> dict[str, datetime]:
    """Token hash -> last use; what was never used is missing."""
    return dict(TokenUse.objects.filter(pk__in=token_hashes).values_list("token_hash", "last_used_at"))
