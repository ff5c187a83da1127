"""Who signs in through a provider alone. Told by the domain of the address, never by whether the address is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ensign.control.identity.sso import queries
from ensign.control.kernel.errors import Unauthenticated

#: Ways into a session that enforcement does not close: the providers themselves, and what is unsealed for emergencies.
NOT_LOCAL = frozenset({"oidc", "saml", "emergency"})

_emergency: Callable[[datetime], bool] | None = None


def register_emergency(ready: Callable[[datetime], bool]) -> None:
    """Let ``ready`` say whether sealed emergency access stands ready. Once, while Django starts."""
    global _emergency
    _emergency = ready


def emergency_ready(*, at: datetime) -> bool:
    """Whether somebody gets in when every provider is down. False where nothing has registered."""
    return _emergency is not None and _emergency(at)


def require_local(email: str) -> None:
    """Refuse whatever is not a provider's way in, for addresses of a domain with an enforced provider.

    :raises Unauthenticated: with the code ``provider-enforced``.
    """
    enforced = queries.enforced_for(email)
    if enforced:
        names = " or ".join(one.name for one in enforced)
        raise Unauthenticated(
            f"People with this domain's addresses sign in through {names} alone.",
            remedy="Go back to the sign-in page and enter only your e-mail address.",
            code="provider-enforced",
        )
