"""Who took what was published: what the nodes that deliver would have said of the demo's applications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.publishing import reach_rows, reached
from ensign.control.publishing.models import Revision
from ensign.control.publishing.reach import Group
from ensign.control.publishing.reach_models import Reach
from ensign.demo import usage

_NODE = "a1b2c3d4e5f60718"
_RECENT = timedelta(hours=1)
_POLLS = 15
"""Seconds between the questions of an application that polls."""


@dataclass(frozen=True, slots=True)
class _Said:
    project: str
    environment: str
    revision: tuple[int, int]
    since: int
    began_at: datetime
    groups: tuple[Group, ...]
    times: tuple[tuple[int, int], ...]
    slowest_ms: int | None
    left: int = 0
    within: int = _POLLS
    final: bool = True
    node: str = _NODE
    reporter: str = _NODE


def tell(revision: Revision, *, streaming_ms: int, at: datetime) -> None:
    """All instances run it: the last on a stream after so many milliseconds, the last that polls at its next question.

    The log says so, too, as the worker has it.
    """
    groups = []
    times: dict[int, int] = {}
    for app, sdk, instances in usage.APPLICATIONS[revision.project]:
        streams = sdk.startswith("ensign-python")
        slowest = streaming_ms if streams else _POLLS * 800 + streaming_ms
        mode = "streaming" if streams else "polling"
        groups.append(
            Group(app=app, sdk=sdk, mode=mode, instances=instances, running=instances, sent=0, slowest_ms=slowest)
        )
        half = slowest // 3
        times[half] = times.get(half, 0) + instances - 1
        times[slowest] = times.get(slowest, 0) + 1
    published = clock.parse(Entry.objects.values_list("ts", flat=True).get(pk=revision.ledger_seq))
    said = _Said(
        project=revision.project, environment=revision.environment, revision=(revision.epoch, revision.number),
        since=revision.number, began_at=published, groups=tuple(groups), times=tuple(sorted(times.items())),
        slowest_ms=max(times, default=None),
    )  # fmt: skip
    reach_rows.store([said], at=at)
    reached.record_reached(at=max(at, published + timedelta(minutes=1)))


def catch_up(at: datetime) -> None:
    """Tell of what was published in production since it was last told."""
    known = Reach.objects.aggregate(last=Max("number"))["last"] or 0
    fresh = Revision.objects.filter(environment="production", number__gt=known).order_by("number")
    recent = Entry.objects.filter(ts__gte=clock.text(at - _RECENT)).values("seq")
    for revision in fresh.filter(ledger_seq__in=recent):
        tell(revision, streaming_ms=120 + revision.number * 37 % 700, at=at)


def newest(project: str, environment: str) -> Revision:
    """What was published last."""
    return Revision.objects.filter(project=project, environment=environment).latest("number")
