"""The API of identity providers. Reading: who manages sign-in or reads the whole log; changing: signed in, with a
second factor proved just now, never by token.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access import providers
from ensign.control.access.providers import ProviderWish
from ensign.control.access.schemas import ReasonIn
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.identity.sso import kinds, queries, secrets
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.queries import ExternalView
from ensign.control.identity.web import caller

router = Router(tags=["identity providers"])


class MappedOut(Schema):
    """That a value at the provider gives a group here. ``by``: who decided it; it never counts for them."""

    value: str
    group: str
    by: str


class ProviderOut(Schema):
    """An identity provider, without its secret. ``addresses``: what to enter at the provider, by label.

    ``trusted_by``: who last decided what it trusts; ``vouched_by``: who else has looked at that since; ``alone``:
    whether it is in use though nobody has.
    """

    id: str
    key: str
    name: str
    kind: str
    shape: str
    status: str
    settings: dict[str, Any]
    secret_set: bool
    addresses: dict[str, str]
    domains: list[str]
    enforced: bool
    provisioning: bool
    mfa_counts: bool
    group_claim: str
    group_mapping: list[MappedOut]
    recheck_minutes: int
    session_hours: int
    trusted_by: str | None
    vouched_by: str | None
    alone: bool
    version: int

    @staticmethod
    def of(provider: ProviderView) -> ProviderOut:
        """From its value."""
        speaks = kinds.known().get(provider.kind)
        named = speaks.secrets if speaks is not None else ()
        return ProviderOut(
            id=provider.id,
            key=provider.key,
            name=provider.name,
            kind=provider.kind,
            shape=provider.shape,
            status=provider.status,
            settings=dict(provider.settings),
            secret_set=bool(named) and secrets.has(provider.id, named[0]),
            addresses=dict(speaks.addresses(provider)) if speaks is not None else {},
            domains=list(provider.domains),
            enforced=provider.enforced,
            provisioning=provider.provisioning,
            mfa_counts=provider.mfa_counts,
            group_claim=provider.group_claim,
            group_mapping=[MappedOut(value=one.value, group=one.group, by=one.by) for one in provider.group_mapping],
            recheck_minutes=provider.recheck_minutes,
            session_hours=provider.session_hours,
            trusted_by=provider.trusted_by,
            vouched_by=provider.vouched_by,
            alone=provider.alone,
            version=provider.version,
        )


class ProviderIn(Input):
    """What a provider is to be. ``settings`` are those of its kind; ``secret`` empty keeps the present one."""

    name: str
    shape: str = "generic"
    settings: dict[str, Any] = Field(default_factory=dict)
    secret: str = ""
    domains: list[str] = Field(default_factory=list)
    provisioning: bool = False
    mfa_counts: bool = False
    group_claim: str = "groups"
    recheck_minutes: int = 60
    session_hours: int = 12

    def to_wish(self) -> ProviderWish:
        """As the operation takes it."""
        given: Mapping[str, Any] = self.model_dump(include=set(ProviderIn.model_fields))
        return ProviderWish(**given)


class NewProviderIn(ProviderIn):
    """A provider to connect. The key never changes."""

    key: str
    kind: str = "oidc"


class MappedIn(Input):
    """A value at the provider and the id of the group that it gives here."""

    value: str
    group: str


class MappingIn(Input):
    """The whole mapping: what is not in it is mapped no more."""

    mapping: list[MappedIn]
    reason: str = ""


class LookedIn(Input):
    """Why, and which ``version`` of the provider was looked at: when it was changed since, it is refused."""

    reason: str = ""
    version: int | None = None


class EnforceIn(Input):
    """``without_emergency`` accepts that there is no sealed emergency access."""

    reason: str = ""
    without_emergency: bool = False


class ExternalOut(Schema):
    """As whom a provider knows a person."""

    id: str
    person: str
    subject: str
    linked_at: datetime
    how: str
    status: str

    @staticmethod
    def of(external: ExternalView) -> ExternalOut:
        """From its value."""
        return ExternalOut(
            id=external.id,
            person=external.person,
            subject=external.subject,
            linked_at=external.linked_at,
            how=external.how,
            status=external.status,
        )


def _reader(request: HttpRequest) -> None:
    actor, at = caller(request)
    providers.require_reading(actor, at=at)


@router.get("/identity-providers", response=Page[ProviderOut])
def list_providers(request: HttpRequest) -> Page[ProviderOut]:
    """All identity providers by key, disabled ones included."""
    _reader(request)
    return Page[ProviderOut](items=[ProviderOut.of(one) for one in queries.providers()])


@router.post("/identity-providers", response={201: ProviderOut})
def create_provider(request: HttpRequest, body: NewProviderIn) -> Status[ProviderOut]:
    """Connect a provider, disabled. Needs a session with a recent second factor."""
    actor, at = caller(request)
    made = providers.create(actor=actor, at=at, key=body.key, kind=body.kind, wish=body.to_wish())
    return Status(201, ProviderOut.of(made))


@router.get("/identity-providers/{provider_id}", response=ProviderOut)
def get_provider(request: HttpRequest, provider_id: str) -> ProviderOut:
    """One provider."""
    _reader(request)
    return ProviderOut.of(queries.provider(provider_id))


@router.put("/identity-providers/{provider_id}", response=ProviderOut)
def update_provider(request: HttpRequest, provider_id: str, body: ProviderIn) -> ProviderOut:
    """Change a provider. Needs a session with a recent second factor."""
    actor, at = caller(request)
    return ProviderOut.of(providers.update(actor=actor, at=at, provider_id=provider_id, wish=body.to_wish()))


@router.put("/identity-providers/{provider_id}/mapping", response=ProviderOut)
def map_groups(request: HttpRequest, provider_id: str, body: MappingIn) -> ProviderOut:
    """Decide which groups there are which here. Needs a session with a recent second factor."""
    actor, at = caller(request)
    pairs = [(one.value, one.group) for one in body.mapping]
    done = providers.map_groups(actor=actor, at=at, provider_id=provider_id, mapping=pairs, reason=body.reason)
    return ProviderOut.of(done)


@router.post("/identity-providers/{provider_id}/enable", response=ProviderOut)
def enable_provider(request: HttpRequest, provider_id: str, body: LookedIn | None = None) -> ProviderOut:
    """Let people sign in through it: not by who decided what it trusts, unless nobody else could; then with a reason.
    Needs a session with a recent second factor.
    """
    actor, at = caller(request)
    said = body or LookedIn()
    done = providers.enable(actor=actor, at=at, provider_id=provider_id, reason=said.reason, version=said.version)
    return ProviderOut.of(done)


@router.post("/identity-providers/{provider_id}/vouch", response=ProviderOut)
def vouch_for_provider(request: HttpRequest, provider_id: str, body: LookedIn) -> ProviderOut:
    """Say that one has looked at what somebody else decided alone. Needs a session with a recent second factor."""
    actor, at = caller(request)
    done = providers.vouch(actor=actor, at=at, provider_id=provider_id, reason=body.reason, version=body.version)
    return ProviderOut.of(done)


@router.post("/identity-providers/{provider_id}/disable", response=ProviderOut)
def disable_provider(request: HttpRequest, provider_id: str, body: ReasonIn) -> ProviderOut:
    """End it, and the sessions that began there. Needs a session with a recent second factor."""
    actor, at = caller(request)
    return ProviderOut.of(providers.disable(actor=actor, at=at, provider_id=provider_id, reason=body.reason))


@router.post("/identity-providers/{provider_id}/enforce", response=ProviderOut)
def enforce_provider(request: HttpRequest, provider_id: str, body: EnforceIn) -> ProviderOut:
    """Let people of its domains sign in through it alone. Needs a session with a recent second factor."""
    actor, at = caller(request)
    done = providers.enforce(
        actor=actor,
        at=at,
        provider_id=provider_id,
        reason=body.reason,
        without_emergency=body.without_emergency,
    )
    return ProviderOut.of(done)


@router.post("/identity-providers/{provider_id}/release", response=ProviderOut)
def release_provider(request: HttpRequest, provider_id: str, body: ReasonIn) -> ProviderOut:
    """End its enforcement. Needs a session with a recent second factor."""
    actor, at = caller(request)
    return ProviderOut.of(providers.release(actor=actor, at=at, provider_id=provider_id, reason=body.reason))


@router.get("/identity-providers/{provider_id}/people", response=Page[ExternalOut])
def list_people_of_provider(request: HttpRequest, provider_id: str) -> Page[ExternalOut]:
    """Who came through it, as whom; oldest first."""
    _reader(request)
    known = queries.identities_at(queries.provider(provider_id).id)
    return Page[ExternalOut](items=[ExternalOut.of(one) for one in known])


@router.post("/identity-providers/{provider_id}/people/{identity_id}/release", response={204: None})
def release_identity(request: HttpRequest, provider_id: str, identity_id: str, body: ReasonIn) -> Status[None]:
    """Forget as whom it knows a person. Needs a session with a recent second factor."""
    actor, at = caller(request)
    queries.provider(provider_id)
    providers.release_identity(actor=actor, at=at, identity_id=identity_id, reason=body.reason)
    return Status(204, None)
