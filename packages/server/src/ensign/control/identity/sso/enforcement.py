"""Who signs in through a provider alone. Told by the domain of the address, never by whether the address is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity.sso import actions, queries
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.models import IdentityProvider
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound, Unauthenticated
from ensign.control.kernel.transactions import write_door

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


def release(provider_id: str, *, actor: Actor, at: datetime, reason: str) -> ProviderView:
    """End a provider's enforcement. Who may is decided by ``access``, or by holding the server's terminal.

    :raises NotFound: when there is no such provider. :raises Conflict: when it is not enforced.
    """
    with write_door():
        row = IdentityProvider.objects.select_for_update().filter(pk=provider_id).first()
        if row is None:
            raise NotFound("There is no such identity provider.", remedy="See Sign-in → Identity providers.")
        if not row.state["enforced"]:
            raise Conflict("This provider is not enforced.")
        staged = stage(IdentityProvider, id=row.pk, state={**row.state, "enforced": False}, current=row)
        detail = {"provider": row.pk}
        record(action=actions.PROVIDER_RELEASED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
        return queries.view(IdentityProvider.objects.get(pk=row.pk))
