"""Propagation as pages show it: how far the last change has come, or who is connected, or how to connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from ensign.control.projects import queries as projects
from ensign.control.publishing import reach_rows
from ensign.control.publishing.reach import UNKNOWN, Group, ReachView, duration

SOON: Final = timedelta(seconds=15)
"""So long after a publication the first words about it may take."""
OFTEN: Final = timedelta(seconds=30)
"""So long after a publication the page asks every second; then every five, as long as it is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What stands on a page about one environment. ``again``: after how long the page asks again, "" for never.

    ``where`` names the environment where several stand together.
    """

    id: str
    sentence: str
    note: str = ""
    detail: str = ""
    tone: str = "calm"
    icon: str = "waiting"
    href: str = ""
    again: str = ""
    view: ReachView | None = None
    where: str = ""
    empty: bool = False
    connect: str = ""

    @property
    def rows(self) -> tuple[tuple[str, str, str, int, int, int, str], ...]:
        """(application, SDK, how, instances, run it, were sent it, after how long the last had it) of each group."""
        groups = () if self.view is None else self.view.groups
        return tuple((g.app, g.sdk, g.mode, g.instances, g.running, g.sent, _after(g)) for g in groups)


def of_flag(project: str, flag: str, at: datetime) -> dict[str, Shown]:
    """For every environment of a flag's page, which shows it beside the flag's state there."""
    last = reach_rows.of_flag(project=project, flag=flag, at=at)
    here = reach_rows.present(project=project, at=at)
    found = {}
    for row in projects.environments(project):
        view = last.get(row.key)
        shown = None if view is None else of_view(view, at=at)
        found[row.key] = shown or connected(project, row.key, here.get(row.key))
    return found


def of_views(views: Sequence[ReachView], *, at: datetime) -> list[Shown]:
    """For the page of a change, which may have been published in several environments."""
    wheres = [view.environment if len(views) > 1 else "" for view in views]
    return [of_view(view, at=at, where=w) or unknown(view, where=w) for view, w in zip(views, wheres, strict=True)]


def of_view(view: ReachView, *, at: datetime, where: str = "") -> Shown | None:
    """One publication; None when it was long ago and nothing is known of it."""
    age = at - view.published_at
    if not view.known and age > SOON:
        return None
    again = "" if view.settled else "1s" if age < OFTEN else "5s"
    tone, icon = "calm", "waiting"
    if view.everywhere:
        tone, icon = "good", "on"
    elif view.settled and view.missing:
        tone, icon = "warn", "warning"
    elif view.settled:
        icon = "info"
    detail = ""
    if view.running > 1 and view.p50_ms is not None and view.p99_ms is not None:
        detail = f"Half of them had it after {duration(view.p50_ms)}, 99 in 100 after {duration(view.p99_ms)}."
    if view.gone:
        detail += f" {view.gone:,} ended before they had it."
    return Shown(
        id=f"reach-{view.number}", sentence=view.sentence, detail=detail.strip(), tone=tone, icon=icon,
        href=_address(view.project, view.environment, view.number) + ("?where=1" if where else ""),
        again=again, view=view, where=where,
    )  # fmt: skip


def unknown(view: ReachView, *, where: str = "") -> Shown:
    """A publication of which nothing is known: older than what is kept, or no node said anything."""
    return Shown(id=f"reach-{view.number}", sentence=UNKNOWN, icon="info", where=where)


def connected(project: str, environment: str, view: ReachView | None) -> Shown:
    """Who is connected, where no publication is being talked about."""
    name = f"reach-{environment}"
    if view is None or not view.instances:
        return Shown(
            id=name, sentence="No application is connected here.", icon="link", empty=True,
            note="Connect one, and this shows how fast each change is live on all of its instances.",
            connect=reverse("projects:token-new", kwargs={"project": project}) + f"?environment={environment}",
        )  # fmt: skip
    one = view.instances == 1
    return Shown(
        id=name, icon="link", view=view,
        sentence=f"{view.instances:,} instance{'' if one else 's'} connected"
        f" ({view.streaming:,} streaming, {view.polling:,} polling).",
        note="How fast a change is live on all of them is shown from the next one on.",
    )  # fmt: skip


def _after(group: Group) -> str:
    return "" if group.slowest_ms is None else duration(group.slowest_ms)


def _address(project: str, environment: str, number: int) -> str:
    return reverse("reach:publication", kwargs={"project": project, "environment": environment, "number": number})
