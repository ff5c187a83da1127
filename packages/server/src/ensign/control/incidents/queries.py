"""Reads of kill records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.access.decisions import Held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.changes.rights import stored_facts
from ensign.control.flags import queries as flags
from ensign.control.incidents.domain import switched_on_by_off
from ensign.control.incidents.models import Kill
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound

#: By then somebody should have said why a kill switch was pressed.
REASON_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class KillView:
    """One press of a kill switch. ``reason_status`` is ``open`` until somebody says why."""

    id: str
    version: int
    project: str
    environment: str
    flag: str
    request: str
    by: str
    via: str
    pressed_at: datetime
    applied_at: datetime
    reason_status: str
    reason: str
    reason_by: str | None
    reason_at: datetime | None
    incident: str | None = None
    trigger: str | None = None

    def late(self, *, at: datetime) -> bool:
        """Whether the reason should have been given by now."""
        return self.reason_status == "open" and at - self.pressed_at > REASON_WITHIN

    @property
    def took(self) -> timedelta:
        """From the press reaching Ensign to the ruleset being ready to commit."""
        return self.applied_at - self.pressed_at

    @property
    def took_ms(self) -> int:
        """:attr:`took` in whole milliseconds."""
        return int(self.took.total_seconds() * 1000)


def to_view(row: Kill) -> KillView:
    """The frozen form of a row."""
    state = row.state
    return KillView(
        id=row.pk,
        version=row.version,
        **{
            **state,
            "pressed_at": clock.parse(state["pressed_at"]),
            "applied_at": clock.parse(state["applied_at"]),
            "reason_at": None if state["reason_at"] is None else clock.parse(state["reason_at"]),
        },
    )


def kill(id: str) -> KillView:
    """One kill record.

    :raises NotFound: when there is none.
    """
    row = Kill.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such kill record.", remedy="Look at the list of kill switches.")
    return to_view(row)


def kills(
    *,
    projects: Collection[str] | None = None,
    reason_status: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[KillView]:
    """Kill records, newest first: of ``projects`` (None: all), of one ``reason_status``, older than id ``before``."""
    rows = Kill.objects.order_by("-id")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    if reason_status is not None:
        rows = rows.filter(reason_status=reason_status)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [to_view(row) for row in rows[:limit]]


def would_switch_on(*, project: str, environment: str, flag: str) -> tuple[str, ...]:
    """Flags that would come on in the environment when ``flag`` goes off there, as things stand."""
    configs = {row.flag: row.config for row in flags.configs_naming(project, environment, flag)}
    if not switched_on_by_off(flag, configs):  # as nearly always, and somebody is waiting for the switch
        return ()
    archived = {row.info.key for row in flags.flags(project, archived=True)}
    return switched_on_by_off(flag, configs, archived=archived)


def to_explain(kills: Sequence[KillView], rights: Held) -> frozenset[str]:
    """Ids of those kills without a reason that the actor of ``rights`` may give one for: their own, and others'."""
    stored = stored_facts({kill.flag for kill in kills}) if rights.narrowed else {}
    return frozenset(
        kill.id
        for kill in kills
        if kill.reason_status == "open"
        and (
            kill.by == rights.actor.id
            or rights.allows(Permission.KILL_EXPLAIN, Scope(kill.project, kill.environment, stored.get(kill.flag)))
        )
    )
