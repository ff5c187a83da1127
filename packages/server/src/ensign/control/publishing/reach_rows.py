"""Propagation in the database: storing what nodes say, and asking how far a publication has come.

Storing is no operation: nobody's act, no governed state. The delivery plane's sink calls :func:`store`, from as many
nodes as there are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from django.db import DatabaseError, connection
from django.db.models import F, Q

from ensign.control.audit.models import Entry
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.models import Revision
from ensign.control.publishing.reach import FRESH, Group, ReachView, Report, added_up
from ensign.control.publishing.reach_models import Reach

Place = tuple[str, str, int]
"""(project, environment, number of a publication)."""
NOW = 0


class GroupSaid(Protocol):
    """Counts of one application's instances."""

    @property
    def app(self) -> str: ...
    @property
    def sdk(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def instances(self) -> int: ...
    @property
    def running(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def slowest_ms(self) -> int | None: ...


class Said(Protocol):
    """A report. Spelt as a protocol, as this plane may not import the other."""

    @property
    def node(self) -> str: ...
    @property
    def reporter(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def revision(self) -> tuple[int, int]: ...
    @property
    def since(self) -> int: ...
    @property
    def began_at(self) -> datetime: ...
    @property
    def groups(self) -> Iterable[GroupSaid]: ...
    @property
    def times(self) -> Iterable[tuple[int, int]]: ...
    @property
    def slowest_ms(self) -> int | None: ...
    @property
    def left(self) -> int: ...
    @property
    def within(self) -> int: ...
    @property
    def final(self) -> bool: ...


_COLUMNS = (
    "project", "environment", "number", "node", "reporter", "epoch", "since", "began_at", "groups", "times",
    "slowest_ms", "gone", "within", "final", "updated_at",
)  # fmt: skip
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_SAY = (
    f"INSERT INTO publishing_reach ({_NAMES}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608  # names of ours
    " ON CONFLICT (project, environment, number, node, reporter) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS[5:])
)


def store(reports: Iterable[Said], *, at: datetime) -> None:
    """Put each report in the place of the one before. In the order of their keys, as several nodes do so at once."""
    instant = connection.ops.adapt_datetimefield_value
    rows = sorted(
        (
            (r.project, r.environment, r.revision[1], r.node, r.reporter, r.revision[0], r.since, instant(r.began_at),
             _groups_text(r.groups), json.dumps({str(ms): n for ms, n in r.times}),
             r.slowest_ms, r.left, r.within, r.final, instant(at))
            for r in reports
        ),
        key=lambda row: row[:5],
    )  # fmt: skip
    if not rows:
        return
    try:
        with write_door(), connection.cursor() as cursor:
            cursor.executemany(_SAY, rows)
    except DatabaseError:
        connection.close()  # it may be broken; the next batch gets a fresh one
        raise


def forget(*, before: datetime, at: datetime) -> int:
    """Delete what began before ``before``, and the census of nodes that are gone; returns how many rows went."""
    with write_door():
        old = Reach.objects.filter(began_at__lt=before).delete()[0]
        return old + Reach.objects.filter(number=NOW, updated_at__lt=at - 10 * FRESH).delete()[0]


def of_publications(places: Collection[Place], *, at: datetime) -> dict[Place, ReachView]:
    """How far each publication has come; one that nothing is known of, and that is older than a while, is missing.

    A publication may have been taken in together with later ones: then the report about those is about it.
    """
    if not places:
        return {}
    numbers = {number for _, _, number in places}
    published = dict(Revision.objects.filter(number__in=numbers).values_list("number", "ledger_seq"))
    epochs = dict(Revision.objects.filter(number__in=numbers).values_list("number", "epoch"))
    times = dict(Entry.objects.filter(pk__in=published.values()).values_list("pk", "ts"))
    said = _rows(places)
    found: dict[Place, ReachView] = {}
    for project, environment, number in places:
        if number not in published:
            continue
        rows = said[project, environment, number]
        found[project, environment, number] = added_up(
            [_report(row) for row in rows], project=project, environment=environment,
            epoch=epochs[number], number=number, published_at=clock.parse(times[published[number]]), at=at,
            entry=next((row.entry for row in rows if row.entry), None),
        )  # fmt: skip
    return found


def of_entries(seqs: Collection[int], *, at: datetime) -> dict[int, list[ReachView]]:
    """Entry -> how far what it published has come, by environment."""
    rows = Revision.objects.filter(ledger_seq__in=seqs).order_by("number")
    places = list(rows.values_list("ledger_seq", "project", "environment", "number"))
    views = of_publications([(project, environment, number) for _, project, environment, number in places], at=at)
    found: dict[int, list[ReachView]] = defaultdict(list)
    for seq, project, environment, number in places:
        found[seq].append(views[project, environment, number])
    return dict(found)


def of_flag(*, project: str, flag: str, at: datetime) -> dict[str, ReachView]:
    """Environment -> how far the last change of this flag has come there."""
    configs = FlagEnvironment.objects.filter(project=project, flag=flag).values_list("ledger_seq", flat=True)
    shared = Flag.objects.filter(project=project, key=flag).values_list("ledger_seq", flat=True)
    seqs = {*configs, *shared}
    found: dict[str, ReachView] = {}
    for _, views in sorted(of_entries(seqs, at=at).items()):
        found |= {view.environment: view for view in views}
    return found


def present(*, project: str, at: datetime) -> dict[str, ReachView]:
    """Environment -> who is connected there at present."""
    rows = Reach.objects.filter(project=project, number=NOW, updated_at__gte=at - FRESH)
    reports: dict[str, list[Reach]] = defaultdict(list)
    for row in rows:
        reports[row.environment].append(row)
    return {
        environment: added_up(
            [_report(row) for row in some], project=project, environment=environment, epoch=some[0].epoch,
            number=NOW, published_at=at, at=at,
        )
        for environment, some in reports.items()
    }  # fmt: skip


def _rows(places: Collection[Place]) -> dict[Place, list[Reach]]:
    """Of each pair of node and reporter the first row that speaks of the publication."""
    numbers = {number for _, _, number in places}
    together = Q(number__gt=F("since"), since__lte=max(numbers), number__gte=min(numbers))
    projects, environments = {place[0] for place in places}, {place[1] for place in places}
    rows = Reach.objects.filter(project__in=projects, environment__in=environments, number__gt=NOW)
    rows = rows.filter(Q(number__in=numbers) | together).order_by("number")
    said: dict[tuple[str, str], list[Reach]] = defaultdict(list)
    for row in rows:
        said[row.project, row.environment].append(row)
    found: dict[Place, list[Reach]] = {}
    for project, environment, number in places:
        first: dict[tuple[str, str], Reach] = {}
        for row in said[project, environment]:
            if row.since <= number <= row.number:
                first.setdefault((row.node, row.reporter), row)
        found[project, environment, number] = list(first.values())
    return found


def _groups_text(groups: Iterable[GroupSaid]) -> str:
    names = ("app", "sdk", "mode", "instances", "running", "sent", "slowest_ms")
    return json.dumps([{name: getattr(group, name) for name in names} for group in groups])


def _report(row: Reach) -> Report:
    return Report(
        node=row.node, reporter=row.reporter, since=row.since, began_at=row.began_at,
        groups=tuple(Group(**group) for group in json.loads(row.groups)),
        times={int(ms): count for ms, count in json.loads(row.times).items()},
        slowest_ms=row.slowest_ms, gone=row.gone, within=row.within, final=row.final,
    )  # fmt: skip
