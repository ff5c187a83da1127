"""What pages show of ramps: the bar with its steps, and what the reader may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from ensign.control.access.decisions import Held
from ensign.control.access.permissions import Permission
from ensign.control.audit import history as log
from ensign.control.changes import pages as change_pages
from ensign.control.changes.domain.ramp_operations import hold_words
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.panels import Panel
from ensign.control.identity import queries as identity
from ensign.control.releases import actions, operations, queries
from ensign.control.releases.calendar import steps_ahead
from ensign.control.releases.domain import Act, Ramp
from ensign.control.ui import looks

_HELD = frozenset({actions.PAUSED.code, actions.ROLLED_BACK.code})
_MARKS: Mapping[str, str] = {
    actions.STARTED.code: "on",
    actions.PAUSED.code: "waiting",
    actions.RESUMED.code: "on",
    actions.ROLLED_BACK.code: "undo",
    actions.FINISHED.code: "off",
}
#: Seconds after which a page asks again how far a ramp has come.
AGAIN = 10

_LOOKS: Mapping[str, looks.Status] = {
    "running": looks.Status(word="Running", icon="rollout", tone=looks.Tone.INFO),
    "paused": looks.Status(word="Paused", icon="waiting", tone=looks.Tone.WARN),
    "finished": looks.Status(word="Finished", icon="on", tone=looks.Tone.GOOD),
    "rolled_back": looks.Status(word="Rolled back", icon="undo", tone=looks.Tone.BAD),
    "stopped": looks.Status(word="Stopped", icon="off", tone=looks.Tone.CALM),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLook:
    """A step of the bar. ``state`` is ``done``, ``now``, ``next`` or ``off`` (it will not be taken any more)."""

    percent: int
    held: str
    state: str
    at: datetime | None
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A ramp as it is shown, and the acts that the reader may choose from."""

    ramp: Ramp
    status: looks.Status
    steps: tuple[StepLook, ...]
    owner: looks.Person
    paused_by: looks.Person | None
    waits: str
    may_pause: bool
    may_resume: bool
    again: int
    url: str

    @property
    def reason(self) -> bool:
        """Whether any act can be taken."""
        return self.ramp.underway and (self.may_pause or self.may_resume)


def address(ramp: Ramp) -> str:
    """The page of a ramp: that of the request that was approved."""
    return reverse("changes:detail", kwargs={"id": ramp.request})


def bar(ramp: Ramp, rights: Held, *, at: datetime, names: Mapping[str, str] | None = None) -> Bar:
    """The ramp as ``rights``' holder sees it."""
    ids = [ramp.owner, *([] if ramp.pause is None else [ramp.pause.by])]
    known = names or identity.names(ids)
    scope = operations.scope_of(ramp) if ramp.underway else None
    ahead = {percent: when for when, percent in steps_ahead(ramp)}
    taken = {one.percent: one for one in ramp.taken}
    return Bar(
        ramp=ramp,
        status=_LOOKS[ramp.status],
        steps=tuple(
            StepLook(
                percent=step.percent,
                held=hold_words(step.hold) if step.hold else "",
                state=_state(ramp, index),
                at=taken[step.percent].at if index <= ramp.reached else ahead.get(step.percent),
                request=taken[step.percent].request if index <= ramp.reached else "",
            )
            for index, step in enumerate(ramp.steps)
        ),
        owner=change_pages.person(ramp.owner, known),
        paused_by=None if ramp.pause is None else change_pages.person(ramp.pause.by, known),
        waits=_waits(ramp, at=at),
        may_pause=scope is not None and rights.allows(Permission.RAMP_PAUSE, scope),
        may_resume=scope is not None and rights.allows(Permission.CHANGE_APPLY, scope),
        again=AGAIN if ramp.status == "running" else 0,
        url=reverse("releases:ramp", kwargs={"id": ramp.id}),
    )


def _state(ramp: Ramp, index: int) -> str:
    if index < ramp.reached:
        return "done"
    if index == ramp.reached:
        return "done" if ramp.status == "finished" else "off" if ramp.status == "rolled_back" else "now"
    return "next" if ramp.underway else "off"


def _waits(ramp: Ramp, *, at: datetime) -> str:
    """For what a step that is due waits; empty when nothing keeps it."""
    if ramp.status != "running" or ramp.next_at is None or at < ramp.next_at:
        return ""
    act: Act = operations.what_is_due(ramp, at=at)
    return act.reason if act.kind == "wait" else "The next step is due and is taken within seconds."


def bars(ramps: Sequence[Ramp], rights: Held, *, at: datetime) -> list[Bar]:
    """Several of them; names are read together."""
    ids = {id for ramp in ramps for id in (ramp.owner, *([] if ramp.pause is None else [ramp.pause.by]))}
    names = identity.names(sorted(ids))
    return [bar(ramp, rights, at=at, names=names) for ramp in ramps]


def request_panels(request: ChangeRequest, rights: Held, at: datetime) -> Sequence[Panel]:
    """The ramps of an applied request, and of the request whose step this one is."""
    plan = request.id if request.plan is None else request.plan.request
    found = queries.ramps(request=plan) if request.status == "applied" else []
    shown = [one for one in found if request.plan is None or one.id == request.plan.ramp]
    return [
        panel
        for one in bars(shown, rights, at=at)
        for panel in (
            Panel(template="releases/_ramp.html", value={"bar": one}),
            _told(one.ramp),
        )
    ]


def _told(ramp: Ramp) -> Panel:
    moments = story(ramp)
    held = any(moment.tone is looks.Tone.WARN for moment in moments)
    return Panel(template="releases/_story.html", value={"ramp": ramp, "moments": moments, "held": held})


def story(ramp: Ramp) -> list[looks.Moment]:
    """What became of a ramp, newest first: the log has it, and a pause that is over stands nowhere else."""
    entries = log.of_object(f"ramp:{ramp.id}", limit=2 * len(ramp.steps) + 20)
    names = identity.names(sorted({entry.actor["id"] for entry in entries}))
    return [
        looks.Moment(
            icon=_MARKS.get(entry.action, "rollout"),
            tone=looks.Tone.WARN if entry.action in _HELD else looks.Tone.CALM,
            person=change_pages.person(entry.actor["id"], names),
            title=f"{entry.title}: {entry.detail['percent']} %",
            at=entry.at,
            body=entry.reason or "",
            href=f"/log/{entry.seq}",
            link=f"Entry {entry.seq}",
        )
        for entry in entries
    ]


def flag_panels(project: str, flag: str, rights: Held, at: datetime) -> Mapping[str, Sequence[Panel]]:
    """The ramps of a flag that are underway, by environment."""
    found: dict[str, list[Panel]] = {}
    for one in bars(queries.underway(project, flag=flag), rights, at=at):
        found.setdefault(one.ramp.environment, []).append(Panel(template="releases/_ramp.html", value={"bar": one}))
    return found
