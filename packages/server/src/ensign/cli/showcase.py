"""`ensign demo`."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from ensign.cli.frame import err, out
from ensign.cli.local import as_owner, database_errors, only_one
from ensign.demo import cast, run
from ensign.demo.company import code_of, secret_of


def fill(*, seed: int, at: datetime) -> None:
    """Fill the database and say who can sign in, and how to approve."""
    with only_one(), database_errors(), as_owner() as role:
        filled = run.fill(seed=seed, now=at, application_role=role, console=err)
    out.print(f"{cast.ORGANISATION}: {filled.entries:,} entries in the log {filled.origin}.")
    out.print("  " + ", ".join(f"{name} {count:,}" for name, count in filled.counts.items()))
    out.print(f"\nSign in at {settings.PUBLIC_URL}/login as any of these, with the password {cast.PASSWORD}")
    for player in (cast.FIRST, *cast.PLAYERS):
        roles = ", ".join(f"{role} in {project}" if project else role for role, project in player.roles)
        gone = " (left: cannot sign in)" if player.leaves is not None else ""
        out.print(f"  {player.email:<34} {roles or 'admin, developer, approver'}{gone}")
    out.print(
        "\nEverybody shares one second factor, which a real installation never does. Add this secret to an"
        f" authenticator app:\n  {filled.secret}\nor let this command tell the digits: ensign demo --code"
    )


def print_code(*, seed: int, at: datetime) -> None:
    """The digits of this moment."""
    out.print(code_of(secret_of(seed), at=at))
