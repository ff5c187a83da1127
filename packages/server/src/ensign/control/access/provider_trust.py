"""Deciding whom a provider may vouch for takes two people: whoever has a provider of their own making could otherwise
sign in through it as anybody of its domains, and approve in their name.

The state remembers who last decided it (``trusted_by``) and who else has looked at that since (``vouched_by``).
Disabling forgets the look, so that whoever enables it looks again. See docs/adr/0023.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.urls import reverse

from ensign.control.access import as_of
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.findings import Finding
from ensign.control.access.permissions import Permission
from ensign.control.audit.models import Entry
from ensign.control.identity.sso import actions, queries
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid

#: The members of a provider's state that say whom it may vouch for, and how much that is worth.
_TRUSTED: Final = frozenset({"shape", "settings", "domains", "mfa_counts"})


def widens(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether ``new`` trusts something that ``old`` did not. Fewer domains, or a second factor that counts no more,
    only take away; a change of settings is always something else to trust.
    """
    if any(old[name] != new[name] for name in ("shape", "settings")):
        return True
    return not set(new["domains"]) <= set(old["domains"]) or (new["mfa_counts"] and not old["mfa_counts"])


def decided_by(actor: Actor) -> dict[str, Any]:
    """The members that say that ``actor`` decided it, and nobody else has looked at it yet."""
    return {"trusted_by": actor.id, "vouched_by": None}


def others(person_id: str, *, at: datetime) -> frozenset[str]:
    """Ids of the active people besides this one who manage sign-in for the whole organisation."""
    lines = as_of.now(at=at).lines
    able = {
        line.subject
        for line in lines
        if line.kind == "person" and line.grant.covers(Permission.ORG_SECURITY_MANAGE, ORGANISATION)
    }
    return frozenset(able - {person_id})


def decided(person_id: str, provider_id: str, trusted_by: str | None) -> bool:
    """Whether this person last decided what the provider trusts. Of one that was connected before its state said so
    (``trusted_by`` None), the log does.
    """
    return person_id == (trusted_by or _from_log(provider_id))


def _from_log(provider_id: str) -> str | None:
    entries = Entry.objects.filter(action__in=(actions.PROVIDER_CREATED.code, actions.PROVIDER_UPDATED.code))
    for actor, body in entries.order_by("-seq").values_list("actor", "body").iterator():
        detail = json.loads(body).get("detail", {})
        if detail.get("provider") == provider_id and not _TRUSTED.isdisjoint(detail.get("fields", _TRUSTED)):
            return str(actor)
    return None


def require_change(actor: Actor, *, at: datetime) -> None:
    """That ``actor`` alone may change what a provider in use trusts: nobody else could look at it.

    :raises Denied: when somebody else could.
    """
    if others(actor.id, at=at):
        raise _refused(
            "What a provider in use trusts is not changed by one person.",
            remedy="Disable it, change it, and let another administrator enable it; or connect a second provider first"
            " that stands in for it. Fewer domains, its name and its secret change at once.",
        )


def require_enable(actor: Actor, provider: ProviderView, reason: str, *, at: datetime) -> bool:
    """Whether ``actor`` enables it alone, as nobody else could; False when they are the second person.

    :raises Denied: when they decided what it trusts and somebody else could enable it.
    :raises Invalid: when they are alone and give no reason.
    """
    if not decided(actor.id, provider.id, provider.trusted_by):
        return False
    if others(actor.id, at=at):
        raise _refused(
            "You decided what this provider trusts, so somebody else must enable it.",
            remedy="Ask another administrator who manages sign-in to try it and to enable it.",
        )
    if not reason.strip():
        raise Invalid(
            "Nobody else could enable this provider, so it needs a reason.",
            remedy="Say why; whoever comes to manage sign-in next looks at it.",
            fields={"reason": "You are the only one who manages sign-in: say why."},
        )
    return True


def require_vouching(actor: Actor, provider: ProviderView) -> None:
    """That ``actor`` is somebody else than who decided what it trusts.

    :raises Denied: when they are not.
    """
    if decided(actor.id, provider.id, provider.trusted_by):
        raise _refused(
            "You decided what this provider trusts, so somebody else looks at it.",
            remedy="Ask another administrator who manages sign-in.",
        )


def _refused(message: str, *, remedy: str) -> Denied:
    """One administrator alone must not be able to sign in as somebody else."""
    return Denied(message, permission=str(Permission.ORG_SECURITY_MANAGE), remedy=remedy, code="second-administrator")


def source(_at: datetime) -> list[Finding]:
    """Providers in use of which one person alone decided what they trust, until somebody else has looked."""
    return [
        Finding(
            code="provider-alone",
            subject=one.id,
            title=f"One person alone decided what {one.name} is trusted with, and nobody else has looked at it.",
            remedy="Another administrator who manages sign-in looks at its settings and vouches for them, or disables"
            " it.",
            url=reverse("access:provider", args=[one.id]),
        )
        for one in queries.active_providers()
        if one.alone
    ]
