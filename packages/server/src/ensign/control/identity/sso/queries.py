"""Reading providers and who came through them into frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.identity.sso.domain import MappedGroup, ProviderView, domain_of
from ensign.control.identity.sso.models import ExternalIdentity, IdentityProvider
from ensign.control.identity.sso.sessions import Mark
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalView:
    """A subject at a provider that is a person here."""

    id: str
    provider: str
    person: str
    subject: str
    linked_at: datetime
    how: str
    status: str


def provider(id: str) -> ProviderView:
    """One provider by its id.

    :raises NotFound: when there is none.
    """
    return _one(IdentityProvider.objects.filter(pk=id).first())


def by_key(key: str) -> ProviderView:
    """One provider by its key, as it stands in addresses.

    :raises NotFound: when there is none.
    """
    return _one(IdentityProvider.objects.filter(key=key).first())


def providers() -> tuple[ProviderView, ...]:
    """All providers by key, disabled ones included."""
    return tuple(view(row) for row in IdentityProvider.objects.order_by("key"))


def active_providers() -> tuple[ProviderView, ...]:
    """Those through which people sign in, by key."""
    return tuple(view(row) for row in IdentityProvider.objects.filter(status="active").order_by("key"))


def for_address(email: str) -> tuple[ProviderView, ...]:
    """The active providers that the domain of this address is routed to; says nothing about the address itself."""
    domain = domain_of(email)
    return tuple(one for one in active_providers() if domain in one.domains)


def enforced_for(email: str) -> tuple[ProviderView, ...]:
    """Those of :func:`for_address` through which alone people of this domain sign in; empty: nothing is enforced."""
    return tuple(one for one in for_address(email) if one.enforced)


def confirming(mark: Mark | None) -> ProviderView | None:
    """The provider that a session's person may prove a second factor at, because it counts as one of ours."""
    found = None if mark is None else provider(mark.provider)
    return found if found is not None and found.active and found.mfa_counts else None


def counts_elsewhere(person_id: str) -> bool:
    """Whether a provider in use vouches for this person whose second factors count as ours."""
    counting = [one.id for one in active_providers() if one.mfa_counts]
    known = ExternalIdentity.objects.filter(person=person_id, status="active", provider__in=counting)
    return bool(counting) and known.exists()


def providers_of(person_id: str) -> tuple[ProviderView, ...]:
    """The providers that know a person, by key, disabled ones included."""
    known = ExternalIdentity.objects.filter(person=person_id, status="active").values("provider")
    return tuple(view(row) for row in IdentityProvider.objects.filter(pk__in=known).order_by("key"))


def identities_of(person_id: str) -> tuple[ExternalView, ...]:
    """As whom providers know a person, oldest first."""
    return tuple(
        _external(row)
        for row in ExternalIdentity.objects.filter(person=person_id).exclude(status="erased").order_by("pk")
    )


def identities_at(provider_id: str) -> tuple[ExternalView, ...]:
    """Everybody who ever came through a provider, oldest first."""
    return tuple(
        _external(row)
        for row in ExternalIdentity.objects.filter(provider=provider_id).exclude(status="erased").order_by("pk")
    )


def _one(row: IdentityProvider | None) -> ProviderView:
    if row is None:
        raise NotFound("There is no such identity provider.", remedy="See Sign-in → Identity providers.")
    return view(row)


def view(row: IdentityProvider) -> ProviderView:
    """A provider's row as a value."""
    state = row.state
    return ProviderView(
        id=row.pk,
        key=state["key"],
        name=state["name"],
        kind=state["kind"],
        shape=state["shape"],
        status=state["status"],
        settings=state["settings"],
        domains=tuple(state["domains"]),
        enforced=state["enforced"],
        provisioning=state["provisioning"],
        mfa_counts=state["mfa_counts"],
        group_claim=state["group_claim"],
        group_mapping=tuple(MappedGroup(**one) for one in state["group_mapping"]),
        recheck_minutes=state["recheck_minutes"],
        session_hours=state["session_hours"],
        version=row.version,
        ledger_seq=row.ledger_seq,
        trusted_by=state.get("trusted_by"),
        vouched_by=state.get("vouched_by"),
    )


def _external(row: ExternalIdentity) -> ExternalView:
    state = row.state
    return ExternalView(
        id=row.pk,
        provider=state["provider"],
        person=state["person"],
        subject=state["subject"],
        linked_at=clock.parse(state["linked_at"]),
        how=state["how"],
        status=state["status"],
    )
