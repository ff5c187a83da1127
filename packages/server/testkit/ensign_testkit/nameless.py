"""That the log names nobody: looked at after every test that wrote to it."""

from __future__ import annotations

import re

from django.db import DatabaseError, connection

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")


def personal_in_entries() -> list[str]:
    """Entries in which an e-mail address stands, or the name (of two words or more) of somebody who is here."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM identity_person WHERE name LIKE %s", ["% %"])
            names = [str(row[0]) for row in cursor.fetchall()]
            cursor.execute("SELECT body FROM ledger_entry")
            bodies = [str(row[0]) for row in cursor.fetchall()]
    except DatabaseError:  # the test took the tables away
        return []
    return [body for body in bodies if _ADDRESS.search(body) or any(name in body for name in names)]
