"""How far this node's clock is from that of its database, by which all nodes of an installation can be compared."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def ahead(at: datetime) -> float:
    """Seconds by which ``at``, read just now, is ahead of the database's clock; 0 on SQLite, which has no own clock.

    Half of what the question took is in the answer: it says something about seconds, not about milliseconds.
    """
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        answered: datetime = cursor.fetchone()[0]
    return (at - answered).total_seconds()
