"""Addresses that switch a flag off: making, revoking, and what happens when one is called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

from django.conf import settings
from django.db import IntegrityError, transaction

from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.audit import minutes
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.rows import row as governed_row
from ensign.control.audit.staging import stage
from ensign.control.flags import queries as flags
from ensign.control.flags.models import Flag
from ensign.control.identity.tokens import hashed
from ensign.control.incidents import actions, operations, queries, triggering
from ensign.control.incidents.models import Trigger, TriggerMinute, TriggerSecret, TriggerSeen
from ensign.control.incidents.triggering import BadRequest, Mode, TriggerView
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.sealing import vault
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_name

ACTOR: Final = "sys_kill_trigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    """An address and its secret, which is never shown again."""

    trigger: TriggerView
    secret: str

    @property
    def url(self) -> str:
        """Where to send requests."""
        return address(self.trigger.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What a call did. ``kill`` None: nothing, as the flag was off already, or the very request was acted on before
    (``replayed``). ``off``: whether the flag is off now.
    """

    trigger: TriggerView
    kill: queries.KillView | None
    off: bool = True
    replayed: bool = False


def address(id: str) -> str:
    """The address of a trigger."""
    return f"{settings.PUBLIC_URL}/hooks/kill/{id}"


def _place(id: str) -> str:
    return f"incidents_trigger_secret/sealed/{id}"


@operation
def make(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    project: str,
    environment: str,
    flag: str,
    mode: str = "signed",
    days: int = triggering.DAYS_DEFAULT,
) -> NewTrigger:
    """Make an address for one flag in one environment; it ends after ``days``, a year at most.

    :raises Denied: without ``kill:trigger`` and ``flag:kill`` there.
    :raises Invalid: naming what is wrong. :raises NotFound: when there is no such flag or environment.
    """
    rights = held(actor, at=at)
    scope = operations.scope_of(project, environment, flag)
    rights.require(Permission.KILL_TRIGGER, scope)
    rights.require(Permission.FLAG_KILL, scope)
    projects.environment(project, environment)
    if not Flag.objects.filter(project=project, key=flag).exists():
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    wrong = {}
    if mode not in triggering.MODES:
        wrong["mode"] = f"Choose one of {', '.join(triggering.MODES)}."
    if not 1 <= days <= triggering.DAYS_MAX:
        wrong["days"] = f"Choose 1 to {triggering.DAYS_MAX} days."
    if wrong:
        raise Invalid("This address cannot be made.", fields=wrong)
    secret = triggering.new_key() if mode == "signed" else triggering.new_token()
    made = TriggerView(
        id=ids.new_id("ktr", at=at), version=1, name=check_name(name), project=project, environment=environment,
        flag=flag, mode=cast("Mode", mode), token_hash="" if mode == "signed" else hashed(secret), hint=secret[:10],
        created_by=actor.id, created_at=at, expires_at=at + timedelta(days=days), status="active",
    )  # fmt: skip
    if mode == "signed":
        TriggerSecret.objects.create(trigger=made.id, sealed=vault().seal(secret, place=_place(made.id)))
    record(
        action=actions.TRIGGER_MADE, actor=actor, at=at, staged=[stage(Trigger, id=made.id, state=made.to_state())],
        where=Where(project=project, environment=environment),
        detail={"trigger": made.id, "mode": mode, "until": clock.text(made.expires_at)},
    )  # fmt: skip
    return NewTrigger(trigger=trigger(made.id), secret=secret)


@operation
def revoke(*, actor: Actor, at: datetime, trigger_id: str) -> TriggerView:
    """End an address at once.

    :raises Denied: without ``kill:trigger`` there. :raises Conflict: when it was revoked.
    """
    row = governed_row(Trigger, lock="update", id=trigger_id)
    if row is None:
        raise NotFound("There is no such address.", remedy="See Incidents, Triggers.")
    found = _view(row)
    scope = operations.scope_of(found.project, found.environment, found.flag)
    held(actor, at=at).require(Permission.KILL_TRIGGER, scope)
    if found.status == "revoked":
        raise Conflict("This address was revoked already.", code="wrong-state")
    ended = replace(found, status="revoked", revoked_by=actor.id, revoked_at=at)
    TriggerSecret.objects.filter(pk=found.id).delete()
    record(
        action=actions.TRIGGER_REVOKED, actor=actor, at=at,
        staged=[stage(Trigger, id=row.pk, state=ended.to_state(), current=row)],
        where=Where(project=found.project, environment=found.environment), detail={"trigger": row.pk},
    )  # fmt: skip
    return trigger(row.pk)


def fire(
    *,
    trigger_id: str,
    headers: Mapping[str, str],
    body: bytes,
    token: str,
    at: datetime,
    now: Callable[[], datetime],
) -> Fired:
    """What a POST to an address does: the flag goes off, or was off already. ``headers`` in lower case.

    :raises BadRequest: when the request is not good; refusals are entries, summed up above a rate.
    :raises Conflict: code ``switches-on`` when off would switch other flags on.
    """
    row = Trigger.objects.filter(pk=trigger_id).first()
    try:
        if row is None:
            raise BadRequest("unknown")
        found = _view(row)
        if not found.usable(at=at):
            raise BadRequest("ended")
        request_id = _check(found, headers, body, token, at=at)
    except BadRequest as refused:
        _refused(refused.code, row, at=at)
        raise
    actor = Actor(kind="system", id=ACTOR, via="token", token_id=found.id)
    fired: Fired = _act(actor=actor, at=at, trigger_id=found.id, request_id=request_id, now=now)
    return fired


@operation
def _act(*, actor: Actor, at: datetime, trigger_id: str, request_id: str | None, now: Callable[[], datetime]) -> Fired:
    """Switch off, once for each signed request. Whether the address still counts is asked again under lock."""
    row = governed_row(Trigger, lock="share", id=trigger_id)
    if row is None or not (found := _view(row)).usable(at=at):
        raise BadRequest("ended")
    if request_id is not None and not _remember(found.id, request_id, at=at):
        return Fired(trigger=found, kill=None, off=not _is_on(found), replayed=True)
    if not _is_on(found):
        return Fired(trigger=found, kill=None)
    try:
        done = operations.kill(
            actor=actor, at=at, project=found.project, environment=found.environment, flag=found.flag,
            trigger=found.id, made_by=found.created_by, now=now,
        )  # fmt: skip
    except Invalid:
        if _is_on(found):
            raise
        return Fired(trigger=found, kill=None)  # somebody else switched it off at the same moment
    return Fired(trigger=found, kill=done.kill)


def _check(found: TriggerView, headers: Mapping[str, str], body: bytes, token: str, *, at: datetime) -> str | None:
    """The id of a signed request; None for one with a token."""
    if found.mode == "secret":
        triggering.check_secret(token, token_hash=found.token_hash)
        return None
    row = TriggerSecret.objects.filter(pk=found.id).first()
    if row is None:
        raise BadRequest("ended")
    return triggering.check_signed(headers, body, key=vault().open(row.sealed, place=_place(found.id)), at=at)


def _remember(trigger_id: str, request_id: str, *, at: datetime) -> bool:
    """Whether this request is new. Forgotten when its time is no longer accepted anyway."""
    seen = TriggerSeen(key=triggering.seen_key(trigger_id, request_id), until=at + 2 * triggering.TOLERANCE)
    try:
        with transaction.atomic():
            seen.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _is_on(found: TriggerView) -> bool:
    return flags.config(found.flag, found.environment).config.enabled


def trigger(id: str) -> TriggerView:
    """One address.

    :raises NotFound: when there is none.
    """
    row = Trigger.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such address.", remedy="See Incidents, Triggers.")
    return _view(row)


def triggers(*, projects: Collection[str] | None = None) -> list[TriggerView]:
    """All addresses of ``projects`` (None: of all), newest first; ended ones, too."""
    rows = Trigger.objects.order_by("-pk")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    return [_view(row) for row in rows]


def _view(row: Trigger) -> TriggerView:
    return TriggerView.from_state(row.pk, row.version, row.state)


def _refused(code: str, row: Trigger | None, *, at: datetime) -> None:
    """An entry for each of the first twenty refusals of a minute; the others are summed up. Nothing that the caller
    sent stands there: the id only where it is an address of ours.
    """
    with write_door():
        if minutes.loud(TriggerMinute, at=at, sum_up=partial(_sum_up, at)):
            where = None if row is None else Where(project=row.state["project"], environment=row.state["environment"])
            detail = {"code": code} if row is None else {"code": code, "trigger": row.pk}
            record(action=actions.TRIGGER_REFUSED, actor=ANONYMOUS, at=at, where=where, detail=detail)


def summarise(*, at: datetime) -> None:
    """Write down the refusals of a past minute that got no entries, and forget requests that are too old to come
    again. For the worker.
    """
    if minutes.over(TriggerMinute, at=at) or TriggerSeen.objects.filter(until__lt=at).exists():
        with write_door():
            minutes.close(TriggerMinute, at=at, sum_up=partial(_sum_up, at))
            TriggerSeen.objects.filter(until__lt=at).delete()


def _sum_up(at: datetime, count: int, since: datetime) -> None:
    record(action=actions.TRIGGER_REFUSALS, actor=ANONYMOUS, at=at, detail={"count": count, "since": clock.text(since)})
