"""Making and describing flags, which alters nothing that an application sees. All else goes through ``changes``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import cast

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import About, Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.flags import actions, keeping, queries
from ensign.control.flags.domain import DEFAULT_TIER, LIFETIMES, FlagInfo, FlagType
from ensign.control.flags.models import Flag
from ensign.control.flags.validation import check_flag_key, check_tags, check_tier, check_type
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import RESERVED_KEYS, check_text, check_version


@operation
def create_flag(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    key: str,
    type: str = "release",
    description: str = "",
    owner: str | None = None,
    tags: Sequence[str] = (),
    expected_removal_on: str | None = None,
    tier: str = DEFAULT_TIER,
) -> queries.FlagRow:
    """A flag that is off everywhere. ``owner`` is a person's or group's id (default: the actor, when a person).

    ``expected_removal_on`` (ISO date) defaults to the end of the type's lifetime; "" says that it stays.

    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when any project has a flag of this key, since SDKs know flags by name alone.
    :raises NotFound: when there is no such project.
    :raises Denied: without ``flag:create`` for a flag of this type with these tags.
    """
    rights = held(actor, at=at)
    if not rights.allows_some(Permission.FLAG_CREATE, Scope(project)):
        rights.require(Permission.FLAG_CREATE, Scope(project))
    projects.project(project)
    key = check_flag_key(key)
    if key in RESERVED_KEYS:
        raise Invalid("This name cannot be used.", fields={"key": f"“{key}” is an address of Ensign's own."})
    kind = cast(FlagType, check_type(type))
    info = FlagInfo(
        key=key,
        project=project,
        type=kind,
        description=check_text(description, field="description"),
        owner=known_owner(owner if owner is not None else actor.id if actor.kind == "person" else ""),
        tags=check_tags(tags),
        created_at=clock.text(at),
        expected_removal_on=_removal(expected_removal_on, type=kind, at=at),
        tier=check_tier(tier),
    )
    rights.require(Permission.FLAG_CREATE, Scope(project, flag=info.facts))
    taken = Flag.objects.filter(key=key).values_list("project", "archived").first()
    if taken is not None:
        raise Conflict(
            f"There is a flag “{key}” already" + (", archived." if taken[1] else "."),
            remedy="Choose another key: applications know flags by name alone, across projects.",
            code="key-taken",
        )
    record(
        action=actions.FLAG_CREATED,
        actor=actor,
        at=at,
        staged=[stage(Flag, id=ids.new_id("flg", at=at), state=info.to_state())],
        where=Where(project=project),
        detail={"type": kind},
    )
    return queries.flag(key)


@operation
def update_flag(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    type: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    tags: Sequence[str] | None = None,
    expected_removal_on: str | None = None,
    tier: str | None = None,
    expected_version: int | None = None,
) -> queries.FlagRow:
    """Change what people read of a flag; None leaves a member as it is. Nothing of it reaches SDKs.

    :raises Invalid: naming the field that is wrong.
    :raises NotFound: when there is no such flag.
    :raises Denied: without ``flag:update``; for another type, other tags or another risk tier without
        ``flag:classify``, for the flag as it is and as it would be. Nobody brings a flag under a narrowed role of
        their own.
    :raises Conflict: code ``policy-asks`` when a policy would ask for less of the flag's changes: a change itself.
    """
    row = Flag.objects.select_for_update().filter(key=key).first()
    if row is None:
        raise NotFound(f"There is no flag “{key[:100]}”.", remedy="Look at the list of flags.")
    info = FlagInfo.from_state(row.state)
    rights, place = held(actor, at=at), Scope(info.project, flag=info.facts)
    if not rights.allows(Permission.FLAG_CLASSIFY, place):
        rights.require(Permission.FLAG_UPDATE, place)
    check_version(row.version, expected_version)
    kind = info.type if type is None else cast(FlagType, check_type(type))
    changed = replace(
        info,
        type=kind,
        description=info.description if description is None else check_text(description, field="description"),
        owner=info.owner if owner is None or owner == info.owner else known_owner(owner),
        tags=info.tags if tags is None else check_tags(tags),
        expected_removal_on=info.expected_removal_on
        if expected_removal_on is None
        else _removal(expected_removal_on, type=kind, at=at),
        tier=info.tier if tier is None else check_tier(tier),
    )
    if replace(changed, owner=info.owner).facts != info.facts:
        require_to_classify(rights, info, changed)
    if replace(changed, type=info.type, tags=info.tags, tier=info.tier) != info:
        rights.require(Permission.FLAG_UPDATE, place)
    _require_kept(info, changed)
    if changed != info:
        record(
            action=actions.FLAG_UPDATED,
            actor=actor,
            at=at,
            staged=[stage(Flag, id=row.pk, state=changed.to_state(), current=row)],
            where=Where(project=info.project),
        )
    return queries.flag(key)


def _require_kept(before: FlagInfo, after: FlagInfo) -> None:
    said = keeping.refusal(before, after) if after.facts != before.facts else ""
    if said:
        raise Conflict(
            said,
            remedy="Propose it as a change request (operation flag.classify), which is reviewed as its changes are.",
            code="policy-asks",
        )


def require_to_classify(rights: Held, before: FlagInfo, after: FlagInfo) -> None:
    """That the actor may give the flag another type, tags or risk tier: what narrowed roles and policies go by.

    :raises Denied: without the right on both sides, or code ``own-access`` when it would come under a role of theirs.
    """
    for info in (before, after):
        rights.require(Permission.FLAG_CLASSIFY, Scope(before.project, flag=info.facts))
    if not rights.narrowed:
        return
    places = [Scope(before.project), *(Scope(before.project, e.key) for e in projects.environments(before.project))]
    for permission in Permission:
        for place in places if permission.about is About.FLAGS else ():
            if rights.allows(permission, place.of_flag(after.facts)) and not rights.allows(
                permission, place.of_flag(before.facts)
            ):
                raise Denied(
                    f"With this type and these tags the flag would come under a role of yours, which lets you"
                    f" {permission.description}.",
                    permission=str(Permission.FLAG_CLASSIFY),
                    scope=str(place),
                    remedy="Ask somebody else to change its type and tags.",
                    code="own-access",
                )


def _removal(text: str | None, *, type: FlagType, at: datetime) -> str | None:
    if text is None:
        days = LIFETIMES[type]
        return None if days is None else (at + timedelta(days=days)).date().isoformat()
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        message = "Write a date such as 2026-12-31, or leave it empty."
        raise Invalid("This is not a date.", fields={"expected_removal_on": message}) from None


def known_owner(id: str) -> str:
    """``id`` when it is an active person's or a group's, or empty.

    :raises Invalid: naming ``owner``.
    """
    if not id:
        return ""
    known = id.startswith("usr_") and identity.is_active(id)
    if id.startswith("grp_"):
        with suppress(NotFound):
            known = bool(identity.group(id))
    if not known:
        raise Invalid("There is no such owner.", fields={"owner": "Choose an active person or a group."})
    return id
