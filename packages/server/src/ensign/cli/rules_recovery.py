"""What brings people back in, on this machine's database."""

from __future__ import annotations

from ensign.cli.frame import show
from ensign.cli.local import database_errors
from ensign.control.access import sign_in_rules
from ensign.control.audit import boot
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Unavailable


def reset(*, reason: str, as_json: bool) -> None:
    """The default rules of signing in; the server may run meanwhile.

    :raises Conflict: when they are in force already.
    :raises Unavailable: when the database is not migrated to this version.
    """
    with database_errors():
        if boot.pending_migrations():
            raise Unavailable("The database is not migrated to this version.", remedy="Run `ensign migrate` first.")
        sign_in_rules.reset(actor=system("cli"), at=clock.now(), reason=reason)
    text = "The default sign-in rules are in force again. Sign in, and decide on better ones under Settings → Sign-in."
    show({"reset": True}, as_json=as_json, text=text)
