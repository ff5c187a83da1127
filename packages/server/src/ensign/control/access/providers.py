"""Identity providers: connecting, changing, mapping groups, enforcing. Each needs a second factor proved just now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ensign.control.access import provider_trust
from ensign.control.access.assigning import require_assigning_all
from ensign.control.access.decisions import entitled, held, require, require_recent_mfa, views
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.access.provider_domains import clean_domains
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity.domain import clean_name
from ensign.control.identity.models import Group
from ensign.control.identity.sso import actions, enforcement, kinds, queries, secrets, sessions
from ensign.control.identity.sso.domain import SHAPES, ProviderView
from ensign.control.identity.sso.models import ExternalIdentity, IdentityProvider
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import new_id

MAPPED_MAX: Final = 500
HOURS_MAX: Final = 24
MINUTES: Final = (5, 1440)

_KEY: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderWish:
    """What a provider is to be. ``settings`` are those of the kind, as typed; ``secret`` "" keeps the present one."""

    name: str
    shape: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secret: str = ""
    domains: Sequence[str] = ()
    provisioning: bool = False
    mfa_counts: bool = False
    group_claim: str = "groups"
    recheck_minutes: int = 60
    session_hours: int = 12


@operation
def create(*, actor: Actor, at: datetime, key: str, kind: str, wish: ProviderWish) -> ProviderView:
    """Connect a provider; nobody signs in through it before somebody else has enabled it (:func:`enable`).

    :raises Denied: without ``org:security:manage``. :raises NeedsMfa: without a recent second factor.
    :raises Invalid: naming the fields. :raises Conflict: when the key is taken.
    """
    _require(actor, at=at)
    key = key.strip().lower()
    if not _KEY.match(key):
        raise Invalid("The key is not valid.", fields={"key": "Use 1 to 40 of a-z, 0-9 and -, like okta."})
    if IdentityProvider.objects.filter(key=key).exists():
        raise Conflict("There is a provider with this key.", fields={"key": "Taken; keys are never used twice."})
    id = new_id("idp", at=at)
    state = {
        "key": key,
        "kind": kind,
        "status": "disabled",
        "secret_version": 1 if wish.secret else 0,
        "enforced": False,
        "group_mapping": [],
        **_cleaned(kind, wish),
        **provider_trust.decided_by(actor),
    }
    if kinds.of(kind).secrets and not wish.secret:
        raise Invalid("The secret is missing.", fields={"secret": "Enter the secret that the provider gave."})
    row = stage(IdentityProvider, id=id, state=state)
    record(action=actions.PROVIDER_CREATED, actor=actor, at=at, staged=[row], detail={"provider": id, "kind": kind})
    _keep_secret(id, kind, wish.secret)
    return queries.provider(id)


@operation
def update(*, actor: Actor, at: datetime, provider_id: str, wish: ProviderWish, reason: str = "") -> ProviderView:
    """Change a provider. What its subjects mean (the issuer) stays once somebody came through it; what one in use is
    trusted with changes by one person only where nobody else could look at it (``provider_trust``).

    :raises Denied: without ``org:security:manage``, or when that takes two.
    :raises NeedsMfa: without a recent second factor. :raises Invalid: naming the fields.
    :raises Conflict: when it would change whom subjects stand for, or leave an enforced provider without domains.
    """
    _require(actor, at=at)
    row = _locked(provider_id)
    old = row.state
    cleaned = _cleaned(row.kind, wish)
    for name in kinds.of(row.kind).lasting:
        changed = old["settings"].get(name) != cleaned["settings"].get(name)
        if changed and ExternalIdentity.objects.filter(provider=row.pk).exists():
            raise Conflict(
                "People have signed in through this provider, so it stays the one it is.",
                remedy="Connect the other one as a provider of its own.",
                fields={name: "This cannot change any more."},
            )
    if old["enforced"] and not cleaned["domains"]:
        raise Conflict("An enforced provider has domains.", fields={"domains": "End its enforcement first."})
    state = {**old, **cleaned, "secret_version": old["secret_version"] + (1 if wish.secret else 0)}
    if state == old:
        return queries.view(row)
    fields = sorted(name for name in state if state[name] != old.get(name))
    detail: dict[str, Any] = {"provider": row.pk, "fields": fields}
    if provider_trust.widens(old, cleaned):
        if row.status == "active":
            provider_trust.require_change(actor, at=at)
            detail["alone"] = True
        state |= provider_trust.decided_by(actor)
    staged = stage(IdentityProvider, id=row.pk, state=state, current=row)
    record(action=actions.PROVIDER_UPDATED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    _keep_secret(row.pk, row.kind, wish.secret)
    provider = queries.provider(row.pk)
    added = set(provider.domains) - set(old["domains"])
    if provider.enforced and added:
        _end_elsewhere(provider, sorted(added), actor=actor, at=at)
    return provider


@operation
def map_groups(
    *, actor: Actor, at: datetime, provider_id: str, mapping: Sequence[tuple[str, str]], reason: str = ""
) -> ProviderView:
    """Decide which (value at the provider, group here) belong together; counts at people's next sign-in or check.

    Whoever maps a group gives its roles, so each new pair needs what giving them needs; and it never counts for
    themselves (``sso.membership``).

    :raises Denied: without ``org:security:manage``, or without the permission to give a mapped group's roles.
    :raises Invalid: for an empty value, an unknown or archived group, one that the directory manages, or too many.
    """
    _require(actor, at=at)
    row = _locked(provider_id)
    if row.state["shape"] == "google" and mapping:
        raise Invalid("Google sends no groups.", fields={"mapping": "Add people to groups here, or by SCIM."})
    kept = {(one["value"], one["group"]): one["by"] for one in row.state["group_mapping"]}
    wanted: dict[tuple[str, str], str] = {}
    for value, group in mapping:
        pair = (value.strip(), group)
        if not pair[0] or len(pair[0]) > 500:
            raise Invalid("A value is missing.", fields={"value": "Enter the group as the provider sends it."})
        if pair not in kept:
            _require_giving(actor, group, at=at)
        wanted[pair] = kept.get(pair, actor.id)
    if len(wanted) > MAPPED_MAX:
        raise Invalid("Too many groups are mapped.", fields={"mapping": f"At most {MAPPED_MAX}."})
    listed = [{"value": value, "group": group, "by": by} for (value, group), by in sorted(wanted.items())]
    if listed == row.state["group_mapping"]:
        return queries.view(row)
    staged = stage(IdentityProvider, id=row.pk, state={**row.state, "group_mapping": listed}, current=row)
    detail = {"provider": row.pk, "fields": ["group_mapping"], "groups": sorted({one["group"] for one in listed})}
    record(action=actions.PROVIDER_UPDATED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.provider(row.pk)


@operation
def enable(
    *, actor: Actor, at: datetime, provider_id: str, reason: str = "", version: int | None = None
) -> ProviderView:
    """Let people sign in through it: by somebody else than who decided what it trusts, or alone where nobody could.

    ``version`` is the one that the actor looked at, so that nothing is changed under their eyes.

    :raises Denied: without ``org:security:manage``, or to who decided it. :raises Conflict: when it is enabled already,
        or was changed meanwhile. :raises Invalid: when they are alone and give no reason.
    """
    _require(actor, at=at)
    row = _looked_at(provider_id, version)
    if row.status == "active":
        raise Conflict("This provider is enabled already.")
    alone = provider_trust.require_enable(actor, queries.view(row), reason, at=at)
    looked = provider_trust.decided_by(actor) if alone else {"vouched_by": actor.id}
    staged = stage(IdentityProvider, id=row.pk, state={**row.state, "status": "active", **looked}, current=row)
    detail = {"provider": row.pk, **({"alone": True} if alone else {})}
    record(action=actions.PROVIDER_ENABLED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.provider(row.pk)


@operation
def vouch(
    *, actor: Actor, at: datetime, provider_id: str, reason: str = "", version: int | None = None
) -> ProviderView:
    """Say that one has looked at what somebody else alone decided a provider is trusted with.

    :raises Denied: without ``org:security:manage``, or to who decided it.
    :raises Conflict: when nothing waits for a second look, or it was changed meanwhile.
    """
    _require(actor, at=at)
    row = _looked_at(provider_id, version)
    provider = queries.view(row)
    if not provider.alone:
        raise Conflict("Nothing about this provider waits for a second look.")
    provider_trust.require_vouching(actor, provider)
    staged = stage(IdentityProvider, id=row.pk, state={**row.state, "vouched_by": actor.id}, current=row)
    detail = {"provider": row.pk, "decided_by": provider.trusted_by}
    record(action=actions.PROVIDER_VOUCHED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.provider(row.pk)


@operation
def disable(*, actor: Actor, at: datetime, provider_id: str, reason: str = "") -> ProviderView:
    """Let nobody sign in through it any more; the sessions that began there end, and its enforcement with them.

    :raises Denied: without ``org:security:manage``. :raises Conflict: when it is disabled already.
    """
    _require(actor, at=at)
    row = _locked(provider_id)
    if row.status != "active":
        raise Conflict("This provider is disabled already.")
    state = {**row.state, "status": "disabled", "enforced": False, "vouched_by": None}
    staged = stage(IdentityProvider, id=row.pk, state=state, current=row)
    ended = sessions.end_all(row.pk, because="provider_disabled", actor=actor, at=at)
    detail = {"provider": row.pk, "sessions": ended}
    record(action=actions.PROVIDER_DISABLED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.provider(row.pk)


@operation
def enforce(
    *, actor: Actor, at: datetime, provider_id: str, reason: str = "", without_emergency: bool = False
) -> ProviderView:
    """Let people of its domains sign in through it alone; their other sessions end at once. Tokens keep working.

    :raises Denied: without ``org:security:manage``.
    :raises Conflict: when it is not in use, no administrator has ever come in through it, or there is no emergency
        access and ``without_emergency`` does not accept that.
    """
    _require(actor, at=at)
    row = _locked(provider_id)
    provider = queries.view(row)
    if not provider.active or not provider.domains or provider.enforced:
        raise Conflict(
            "Only an enabled provider with domains, which is not enforced yet, can be enforced.",
            remedy="Enable it and list the e-mail domains of its people.",
        )
    if not any(_gets_back_in(one.person, at=at) for one in queries.identities_at(row.pk) if one.status == "active"):
        raise Conflict(
            "Nobody who could end the enforcement again has signed in through this provider yet.",
            remedy="Sign out, sign in through it, then enforce it.",
        )
    if not without_emergency and not enforcement.emergency_ready(at=at):
        raise Conflict(
            "There is no sealed emergency access: when the provider fails, nobody of its domains gets in.",
            remedy="Set it up first, or accept it: the server's terminal can still end the enforcement.",
            fields={"without_emergency": "Tick to accept this."},
        )
    staged = stage(IdentityProvider, id=row.pk, state={**row.state, "enforced": True}, current=row)
    ended = _end_elsewhere(provider, provider.domains, actor=actor, at=at)
    detail = {"provider": row.pk, "sessions": ended, "emergency": enforcement.emergency_ready(at=at)}
    record(action=actions.PROVIDER_ENFORCED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.provider(row.pk)


@operation
def release(*, actor: Actor, at: datetime, provider_id: str, reason: str = "") -> ProviderView:
    """End the enforcement: people of its domains sign in by other ways again, too.

    :raises Denied: without ``org:security:manage``. :raises Conflict: when it is not enforced.
    """
    _require(actor, at=at)
    return enforcement.release(provider_id, actor=actor, at=at, reason=reason)


@operation
def release_identity(*, actor: Actor, at: datetime, identity_id: str, reason: str = "") -> None:
    """Forget as whom a provider knows a person: the next subject with their address is linked anew.

    For an address that was recycled, or an account that was made anew at the provider. Their sessions from there end.

    :raises Denied: without ``org:security:manage``. :raises NotFound: when there is none.
    """
    _require(actor, at=at)
    row = ExternalIdentity.objects.select_for_update().filter(pk=identity_id, status="active").first()
    if row is None:
        raise NotFound("There is no such sign-in.", remedy="See the provider's page.")
    staged = stage(ExternalIdentity, id=row.pk, state={**row.state, "status": "released"}, current=row)
    ended = sessions.end_of_identity(row.pk, actor=actor, at=at)
    detail = {"provider": row.provider, "person": row.person, "sessions": ended}
    record(action=actions.IDENTITY_RELEASED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)


def require_reading(actor: Actor, *, at: datetime) -> None:
    """How people sign in is seen by who manages it and by who reads the whole log.

    :raises Denied: for everybody else.
    """
    holds = held(actor, at=at)
    if not holds.allows(Permission.ORG_SECURITY_MANAGE):
        holds.require(Permission.ORG_LEDGER_READ)


def _require(actor: Actor, *, at: datetime) -> None:
    require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    require_recent_mfa(
        actor,
        Permission.ORG_SECURITY_MANAGE,
        "Changing how people sign in needs a second factor, proved within the last 30 minutes.",
        at=at,
    )


def _require_giving(actor: Actor, group_id: str, *, at: datetime) -> None:
    group = Group.objects.filter(pk=group_id, status="active").first()
    if group is None:
        raise Invalid("There is no such group.", fields={"group": "Choose one of the groups there are."})
    if group.state.get("directory") is not None:
        raise Invalid(
            "The directory (SCIM) decides alone who belongs to this group.",
            fields={"group": "Choose a group that was made here, or let the directory fill this one."},
        )
    held_by_it = Grant.objects.filter(subject=group_id, status="active").order_by("pk")
    require_assigning_all(actor, views(held_by_it), at=at)


def _gets_back_in(person_id: str, *, at: datetime) -> bool:
    return entitled(person_id, Permission.ORG_SECURITY_MANAGE, ORGANISATION, at=at)


def _end_elsewhere(provider: ProviderView, domains: Sequence[str], *, actor: Actor, at: datetime) -> int:
    """End the sessions of people of ``domains`` but those through it or another provider that is enforced."""
    enforced = [provider.id, *(one.id for one in queries.active_providers() if one.enforced)]
    return sessions.end_elsewhere(domains, at_providers=enforced, provider=provider.id, actor=actor, at=at)


def _locked(provider_id: str) -> IdentityProvider:
    row = IdentityProvider.objects.select_for_update().filter(pk=provider_id).first()
    if row is None:
        raise NotFound("There is no such identity provider.", remedy="See Sign-in → Identity providers.")
    return row


def _looked_at(provider_id: str, version: int | None) -> IdentityProvider:
    row = _locked(provider_id)
    if version is not None and row.version != version:
        raise Conflict("This provider was changed meanwhile.", remedy="Look at its settings again.")
    return row


def _keep_secret(provider_id: str, kind: str, secret: str) -> None:
    names = kinds.of(kind).secrets
    if secret and names:
        secrets.keep(provider_id, names[0], secret)


def _cleaned(kind: str, wish: ProviderWish) -> dict[str, Any]:
    """The members of the state that somebody types.

    :raises Invalid: naming the fields.
    """
    speaks = kinds.of(kind)
    if wish.shape not in SHAPES:
        raise Invalid("There is no such shape.", fields={"shape": f"Choose one of {', '.join(SHAPES)}."})
    if wish.mfa_counts and wish.shape == "google":
        raise Invalid(
            "Google does not say it.", fields={"mfa_counts": "Google does not tell who used a second factor."}
        )
    if not 1 <= wish.session_hours <= HOURS_MAX:
        raise Invalid("The session is too long.", fields={"session_hours": f"Choose 1 to {HOURS_MAX} hours."})
    if wish.recheck_minutes and not MINUTES[0] <= wish.recheck_minutes <= MINUTES[1]:
        text = f"Choose {MINUTES[0]} to {MINUTES[1]} minutes, or 0 for never."
        raise Invalid("The check is out of range.", fields={"recheck_minutes": text})
    if len(wish.secret) > 1000:
        raise Invalid("The secret is too long.", fields={"secret": "Use at most 1,000 characters."})
    claim = wish.group_claim.strip()
    if len(claim) > 200 or not claim.isprintable():
        raise Invalid("The claim is too long.", fields={"group_claim": "Use at most 200 characters."})
    return {
        "name": clean_name(wish.name, limit=60),
        "shape": wish.shape,
        "settings": speaks.clean(wish.shape, wish.settings),
        "domains": clean_domains(wish.domains),
        "provisioning": wish.provisioning,
        "mfa_counts": wish.mfa_counts,
        "group_claim": claim,
        "recheck_minutes": wish.recheck_minutes,
        "session_hours": wish.session_hours,
    }
