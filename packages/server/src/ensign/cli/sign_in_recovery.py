"""`ensign sso …`: what gets people in again when their identity provider does not, from the server's own terminal."""

from __future__ import annotations

from datetime import datetime

from ensign.cli.frame import show
from ensign.cli.local import database_errors
from ensign.control.identity.sso import enforcement, queries
from ensign.control.kernel.actor import Actor


def release(*, key: str, reason: str, actor: Actor, at: datetime, as_json: bool) -> None:
    """End the enforcement of a provider."""
    with database_errors():
        done = enforcement.release(queries.by_key(key).id, actor=actor, at=at, reason=reason)
    show(
        {"id": done.id, "key": done.key, "enforced": done.enforced},
        as_json=as_json,
        text=f"People of {', '.join(done.domains)} sign in by password and passkey again, too. It stands in the log.",
    )
