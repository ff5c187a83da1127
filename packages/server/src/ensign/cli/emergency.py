"""`ensign emergency status`: how the emergency access stands, from the server's own terminal."""

from __future__ import annotations

from datetime import datetime

from ensign.cli.frame import show
from ensign.cli.local import database_errors
from ensign.control.identity import queries as identity
from ensign.control.identity.emergency import queries
from ensign.control.kernel import clock


def status(*, at: datetime, as_json: bool) -> None:
    """Print whether it is sealed, open or neither, and who holds it."""
    with database_errors():
        seal, ready = queries.current(), queries.sealed(at)
        names = identity.names(one.person for one in seal.holders) if seal else {}
    if seal is None:
        show({"status": "none", "ready": False}, as_json=as_json, text="Nobody holds an emergency access.")
        return
    drawn = sum(1 for one in seal.holders if one.drawn_at is not None)
    body = {
        "seal": seal.id,
        "status": seal.status,
        "ready": ready,
        "open": seal.open(at=at),
        "ends_at": None if seal.ends_at is None else clock.text(seal.ends_at),
        "holders": [{"person": one.person, "drawn": one.drawn_at is not None} for one in seal.holders],
    }
    word = "open" if seal.open(at=at) else "sealed and ready" if ready else f"{seal.status}, not ready"
    holders = ", ".join(sorted(names.values()))
    show(body, as_json=as_json, text=f"It is {word}. {drawn} of {len(seal.holders)} codes drawn. Holders: {holders}.")
