"""Usage of flags: storing what the delivery plane counted, and asking about it.

Not an operation: nobody's act, no governed state, no ledger entry. The delivery plane's sink calls :func:`store` from a
thread of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.db import DatabaseError, connection
from django.db.models import Max, Sum

from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.usage_models import Application, UsageHour


class CountKey(Protocol):
    """What was counted; an empty ``variant`` stands for the flag itself."""

    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def flag(self) -> str: ...
    @property
    def app_name(self) -> str: ...
    @property
    def hour(self) -> datetime: ...
    @property
    def variant(self) -> str: ...
    @property
    def known(self) -> bool: ...


class Count(Protocol):
    """How often it was answered yes and no."""

    @property
    def key(self) -> CountKey: ...
    @property
    def yes(self) -> int: ...
    @property
    def no(self) -> int: ...


class Seen(Protocol):
    """An application that reported in; ``instances`` within the hour of ``last_seen``."""

    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def app_name(self) -> str: ...
    @property
    def sdk(self) -> str: ...
    @property
    def instances(self) -> int: ...
    @property
    def last_seen(self) -> datetime: ...


class Batch(Protocol):
    """What the delivery plane hands over. Spelt as a protocol, as this plane may not import the other."""

    @property
    def counts(self) -> Iterable[Count]: ...
    @property
    def applications(self) -> Iterable[Seen]: ...


_ADD = """
INSERT INTO publishing_usage_hour (project, environment, flag, app_name, hour, variant, yes, no, known)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (project, environment, flag, app_name, hour, variant) DO UPDATE
SET yes = publishing_usage_hour.yes + excluded.yes, no = publishing_usage_hour.no + excluded.no,
    known = excluded.known"""
_SEE = """
INSERT INTO publishing_application (project, environment, app_name, sdk, instances, first_seen, last_seen)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (project, environment, app_name, sdk) DO UPDATE
SET instances = excluded.instances, last_seen = excluded.last_seen"""


def store(batch: Batch) -> None:
    """Add a batch to what is stored, all or nothing; several nodes may do so at once.

    Rows go in the order of their keys, so that two nodes cannot lock each other out.
    """
    instant = connection.ops.adapt_datetimefield_value
    counts = sorted(
        (row.key.project, row.key.environment, row.key.flag, row.key.app_name, instant(row.key.hour), row.key.variant,
         row.yes, row.no, row.key.known)
        for row in batch.counts
    )  # fmt: skip
    applications = sorted(
        (
            row.project,
            row.environment,
            row.app_name,
            row.sdk,
            row.instances,
            instant(row.last_seen),
            instant(row.last_seen),
        )
        for row in batch.applications
    )
    if not counts and not applications:
        return
    try:
        with write_door(), connection.cursor() as cursor:
            if counts:
                cursor.executemany(_ADD, counts)
            if applications:
                cursor.executemany(_SEE, applications)
    except DatabaseError:
        connection.close()  # it may be broken; the next batch gets a fresh one
        raise


def forget(*, before: datetime) -> int:
    """Delete the counts of hours before ``before``; returns how many rows went."""
    with write_door():
        return UsageHour.objects.filter(hour__lt=before).delete()[0]


def forget_applications(*, before: datetime) -> int:
    """Delete applications that were last seen before ``before``; returns how many rows went."""
    with write_door():
        return Application.objects.filter(last_seen__lt=before).delete()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourView:
    """One hour of one flag in one environment, over all applications."""

    hour: datetime
    yes: int
    no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageView:
    """Usage of a flag in one environment since some instant; ``variants`` maps names to how often they were given."""

    environment: str
    yes: int
    no: int
    last_seen: datetime | None
    applications: tuple[str, ...]
    variants: dict[str, int]
    hours: tuple[HourView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """An application as it last reported; ``project`` may be ``*``."""

    project: str
    environment: str
    app_name: str
    sdk: str
    instances: int
    first_seen: datetime
    last_seen: datetime


def of_flag(*, project: str, flag: str, since: datetime) -> tuple[UsageView, ...]:
    """How often ``flag`` was evaluated since ``since``, by environment, with the hours in order."""
    rows = UsageHour.objects.filter(project=project, flag=flag, hour__gte=since)
    places = sorted(set(rows.values_list("environment", flat=True)))
    return tuple(_in_environment(project=project, flag=flag, environment=place, since=since) for place in places)


def last_seen(*, project: str, flags: Collection[str]) -> dict[tuple[str, str], datetime]:
    """(flag, environment) -> the last hour in which anybody asked for it; what was never asked for is missing."""
    rows = UsageHour.objects.filter(project=project, flag__in=flags, variant="")
    found = rows.values_list("flag", "environment").annotate(last=Max("hour"))
    return {(flag, environment): last for flag, environment, last in found}


def unknown_flags(*, project: str, since: datetime) -> tuple[tuple[str, str, str], ...]:
    """(flag, environment, application) of names that applications ask for and no ruleset holds.

    What was counted under a token of all projects stands under ``*``.
    """
    rows = UsageHour.objects.filter(project__in=(project, "*"), known=False, hour__gte=since)
    return tuple(sorted(set(rows.values_list("flag", "environment", "app_name"))))


def connected(*, projects: Collection[str]) -> bool:
    """Whether any application ever reported with a token of one of ``projects`` or of all."""
    return bool(Application.objects.filter(project__in=[*projects, "*"]).exists())


def applications(*, project: str) -> tuple[ApplicationView, ...]:
    """The applications that reported with a token of ``project`` or of all projects, the latest first."""
    rows = Application.objects.filter(project__in=(project, "*")).order_by("-last_seen", "app_name", "environment")
    return tuple(
        ApplicationView(
            project=row.project, environment=row.environment, app_name=row.app_name, sdk=row.sdk,
            instances=row.instances, first_seen=row.first_seen, last_seen=row.last_seen,
        )
        for row in rows
    )  # fmt: skip


def _in_environment(*, project: str, flag: str, environment: str, since: datetime) -> UsageView:
    rows = UsageHour.objects.filter(project=project, flag=flag, environment=environment, hour__gte=since)
    totals = rows.filter(variant="")
    hours = tuple(
        HourView(hour=hour, yes=yes, no=no)
        for hour, yes, no in totals.values_list("hour").annotate(y=Sum("yes"), n=Sum("no")).order_by("hour")
    )
    given = rows.exclude(variant="").values_list("variant").annotate(times=Sum("yes")).order_by("variant")
    return UsageView(
        environment=environment,
        yes=sum(hour.yes for hour in hours),
        no=sum(hour.no for hour in hours),
        last_seen=hours[-1].hour if hours else None,
        applications=tuple(sorted(set(rows.values_list("app_name", flat=True)))),
        variants=dict(given),
        hours=hours,
    )
