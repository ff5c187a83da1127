"""`ensign demo`."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from ensign.cli.frame import err, out
from ensign.cli.local import as_owner, database_errors, only_one
from ensign.demo import cast, run
from ensign.demo.company import code_of, secret_of

#: (path, what is there)
_FIRST_LOOKS = (
    ("/requests", "a conflict, a discussion, what waits for a second signature"),
    ("/releases", "a ramp on its way, a change that applies in two days"),
    ("/incidents", "an outage that a monitor cut short, and an emergency"),
    ("/projects/checkout/policies", "rules, a freeze ahead, and what asked for what since when"),
    ("/log", "all of it, entry by entry"),
)


def fill(*, seed: int, at: datetime) -> None:
    """Fill the database and say who can sign in, and how to approve."""
    with only_one(), database_errors(), as_owner() as role:
        filled = run.fill(seed=seed, now=at, application_role=role, console=err)
    out.print(f"{cast.ORGANISATION}: {filled.entries:,} entries in the log {filled.origin}.")
    out.print("  " + ", ".join(f"{name} {count:,}" for name, count in filled.counts.items()))
    out.print(f"\nSign in at {settings.PUBLIC_URL}/login as any of these, with the password {cast.PASSWORD}")
    for player in filled.people:
        gone = " (left: cannot sign in)" if player.leaves is not None else ""
        out.print(f"  {player.email:<34} {_roles(player) or 'admin, developer, approver'}{gone}", soft_wrap=True)
    out.print("\nWorth a first look:")
    for path, what in _FIRST_LOOKS:
        out.print(f"  {settings.PUBLIC_URL + path:<60} {what}", soft_wrap=True)
    out.print(
        "\nEverybody shares one second factor, which a real installation never does. Add this secret to an"
        f" authenticator app:\n  {filled.secret}\nor let this command tell the digits: ensign demo --code"
    )


def _roles(player: cast.Player) -> str:
    """``admin; developer, approver in checkout``."""
    by_place: dict[str | None, list[str]] = {}
    for role, project in player.roles:
        by_place.setdefault(project, []).append(role)
    parts = (", ".join(roles) + (f" in {project}" if project else "") for project, roles in by_place.items())
    return "; ".join(parts)


def print_code(*, seed: int, at: datetime) -> None:
    """The digits of this moment."""
    out.print(code_of(secret_of(seed), at=at))
