"""Writes of safeguards: making, changing, arming again and ending them, by people and their tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import entitled, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.flags.domain import FlagInfo
from ensign.control.flags.models import Flag
from ensign.control.identity import queries as identity
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.monitoring import actions, secrets
from ensign.control.monitoring.domain import safeguards as domain
from ensign.control.monitoring.domain.safeguards import Act, Safeguard, Source
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.projects import queries as projects

#: What the service account needs for what a safeguard does.
NEEDS: dict[Act, Permission] = {"off": Permission.FLAG_KILL, "pause": Permission.RAMP_PAUSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeguardWish:
    """What a safeguard should be; members as of ``domain.safeguards.Safeguard``."""

    flag: str
    source: Source
    account: str
    act: Act = "off"
    above: bool = True
    threshold: str = "0"
    checks: int = 3
    no_data_minutes: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A safeguard, and the secret that whoever calls it needs: shown once, empty for one that Ensign asks itself."""

    safeguard: Safeguard
    secret: str = ""


def scope_of(project: str, environment: str, flag: str) -> Scope:
    """Where a safeguard has effect, and on which flag."""
    row = Flag.objects.filter(project=project, key=flag).first()
    return Scope(project, environment, None if row is None else FlagInfo.from_state(row.state).facts)


@operation
def make(
    *, actor: Actor, at: datetime, project: str, environment: str, key: str, wish: SafeguardWish, reason: str = ""
) -> Made:
    """Make a safeguard; it is armed at once. What it can do alone is a standard change: off, or no further step.

    :raises Denied: without ``safeguard:manage`` and the right to do by hand what it would do.
    :raises Invalid: naming what is not possible; a service account that may not act is.
    :raises Conflict: when there is one of this key.
    """
    _require(actor, project, environment, wish, at=at)
    projects.environment(project, environment)
    if not Flag.objects.filter(project=project, key=wish.flag).exists():
        raise Invalid("There is no such flag.", fields={"flag": "Choose a flag of the project."})
    if Row.objects.filter(project=project, environment=environment, key=key).exists():
        raise Conflict("There is a safeguard of this key.", fields={"key": "Taken, perhaps by one that has ended."})
    id = ids.new_id("sfg", at=at)
    token = secrets.new_token() if wish.source.kind == "alertmanager" else ""
    one = domain.checked(
        Safeguard(
            id=id,
            key=key,
            project=project,
            environment=environment,
            made_by=actor.id,
            made_at=at,
            armed_at=at,
            token_hash=secrets.hashed(token) if token else "",
            **_members(wish),
        )
    )
    _check_account(one, at=at)
    secret = token
    if wish.source.kind == "webhook":
        secret = secrets.new_webhook_secret()
        secrets.keep(id, secret)
    _write(one, None, actions.SAFEGUARD_MADE, actor=actor, at=at, reason=reason)
    return Made(safeguard=one, secret=secret)


@operation
def change(
    *,
    actor: Actor,
    at: datetime,
    safeguard_id: str,
    wish: SafeguardWish,
    reason: str = "",
    expected_version: int | None = None,
) -> Safeguard:
    """Change what it looks at or does. Its key, its place, its flag and the kind of its source stay.

    :raises Denied: as :func:`make`. :raises Invalid: naming what is not possible.
    :raises Conflict: when it has ended, or is not at ``expected_version``.
    """
    row, one = locked(safeguard_id, expected_version=expected_version)
    _require(actor, one.project, one.environment, wish, at=at)
    if one.status == "ended":
        raise Conflict("This safeguard has ended.", remedy="Make another one.", code="ended")
    if wish.flag != one.flag or wish.source.kind != one.source.kind:
        raise Invalid("Another flag or source is another safeguard.", remedy="Make another one, and end this one.")
    wanted = domain.checked(replace(one, **_members(wish)))
    _check_account(wanted, at=at)
    if wanted == one:
        return one
    _write(wanted, row, actions.SAFEGUARD_CHANGED, actor=actor, at=at, reason=reason)
    return wanted


@operation
def rearm(*, actor: Actor, at: datetime, safeguard_id: str, reason: str = "") -> Safeguard:
    """Let it watch again after it fired: the act of a person who found out why.

    :raises Denied: without ``safeguard:manage``. :raises Conflict: unless it has fired.
    :raises Invalid: when the service account may not act any more.
    """
    row, one = locked(safeguard_id)
    held(actor, at=at).require(Permission.SAFEGUARD_MANAGE, scope_of(one.project, one.environment, one.flag))
    armed = domain.rearmed(one, at=at)
    _check_account(armed, at=at)
    _write(armed, row, actions.SAFEGUARD_ARMED, actor=actor, at=at, reason=reason)
    return armed


@operation
def end(*, actor: Actor, at: datetime, safeguard_id: str, reason: str = "") -> Safeguard:
    """Let it guard no more, for good; its secret is forgotten.

    :raises Denied: without ``safeguard:manage``. :raises Conflict: when it has ended.
    """
    row, one = locked(safeguard_id)
    held(actor, at=at).require(Permission.SAFEGUARD_MANAGE, scope_of(one.project, one.environment, one.flag))
    over = domain.ended(one)
    secrets.forget(one.id)
    _write(over, row, actions.SAFEGUARD_ENDED, actor=actor, at=at, reason=reason)
    return over


def locked(id: str, *, expected_version: int | None = None) -> tuple[Row, Safeguard]:
    """A safeguard with its row, locked until the commit.

    :raises NotFound: when there is none. :raises Conflict: when it is not at ``expected_version``.
    """
    row = Row.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such safeguard.", remedy="Look at the project's list of safeguards.")
    if expected_version is not None and expected_version != row.version:
        raise Conflict("The safeguard changed meanwhile.", remedy="Reload it.", code="version-conflict")
    return row, Safeguard.from_state(row.pk, row.state)


def _require(actor: Actor, project: str, environment: str, wish: SafeguardWish, *, at: datetime) -> None:
    """Who makes one also needs the right to do by hand what it would do: nobody lends what they do not hold."""
    rights, scope = held(actor, at=at), scope_of(project, environment, wish.flag)
    rights.require(Permission.SAFEGUARD_MANAGE, scope)
    needed = NEEDS.get(wish.act)
    if needed is not None:
        rights.require(needed, scope)


def _check_account(one: Safeguard, *, at: datetime) -> None:
    known = one.account.startswith("svc_") and identity.is_active(one.account)
    scope = scope_of(one.project, one.environment, one.flag)
    if known and entitled(one.account, NEEDS[one.act], scope, at=at):
        return
    needed = f"“{NEEDS[one.act]}” in {one.project}/{one.environment}"
    said = f"It has no role that allows {needed}: an administrator gives it one." if known else "Choose an active one."
    raise Invalid("This service account may not act here.", fields={"account": said})


def _members(wish: SafeguardWish) -> dict[str, Any]:
    return {name: getattr(wish, name) for name in SafeguardWish.__slots__}


def _write(one: Safeguard, row: Row | None, action: Action, *, actor: Actor, at: datetime, reason: str = "") -> None:
    record(
        action=action,
        actor=actor,
        at=at,
        staged=[stage(Row, id=one.id, state=one.to_state(), current=row)],
        where=Where(project=one.project, environment=one.environment),
        reason=reason,
        detail={
            "safeguard": one.id, "flag": one.flag, "source": one.source.kind, "act": one.act, "account": one.account,
        },
    )  # fmt: skip
