"""Reads of segments, as frozen rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from ensign.control.audit import rows as governed
from ensign.control.kernel.errors import NotFound
from ensign.control.segments.domain import SegmentConfig, SegmentInfo
from ensign.control.segments.models import Segment, SegmentEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """A segment with the version of its shared part."""

    id: str
    version: int
    info: SegmentInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfigRow:
    """A segment in one environment; ``id`` is None and ``version`` 0 while nothing is defined there."""

    id: str | None
    version: int
    segment: str
    project: str
    environment: str
    config: SegmentConfig


def to_segment(row: Segment) -> SegmentRow:
    """The frozen form of a row."""
    return SegmentRow(id=row.pk, version=row.version, info=SegmentInfo.from_state(row.state))


def to_config(row: SegmentEnvironment) -> SegmentConfigRow:
    """The frozen form of a row."""
    state = row.state
    return SegmentConfigRow(
        id=row.pk,
        version=row.version,
        segment=state["segment"],
        project=state["project"],
        environment=state["environment"],
        config=SegmentConfig.from_state(state),
    )


def segment(project_key: str, key: str) -> SegmentRow:
    """One segment.

    :raises NotFound: when there is none.
    """
    row = governed.row(Segment, project=project_key, key=key)
    if row is None:
        raise NotFound(
            f"There is no segment “{key[:100]}” in the project “{project_key[:100]}”.",
            remedy="Look at the project's list of segments.",
        )
    return to_segment(row)


def segments(project_key: str) -> list[SegmentRow]:
    """All segments of a project by name."""
    rows = (to_segment(row) for row in Segment.objects.filter(project=project_key))
    return sorted(rows, key=lambda s: (s.info.name.casefold(), s.info.key))


def search(text: str, *, projects: Collection[str], limit: int) -> list[SegmentRow]:
    """Segments of ``projects`` whose key or name holds ``text`` in upper or lower case; by key."""
    rows = Segment.objects.filter(Q(key__icontains=text) | Q(name__icontains=text), project__in=projects)
    return [to_segment(row) for row in rows.order_by("key")[:limit]]


def config(project_key: str, environment_key: str, key: str) -> SegmentConfigRow:
    """A segment in one environment; an empty one with version 0 while nothing is defined there."""
    row = SegmentEnvironment.objects.filter(project=project_key, environment=environment_key, segment=key).first()
    if row is None:
        return SegmentConfigRow(
            id=None,
            version=0,
            segment=key,
            project=project_key,
            environment=environment_key,
            config=SegmentConfig(),
        )
    return to_config(row)


def configs(project_key: str, environment_key: str | None = None) -> list[SegmentConfigRow]:
    """Every defined segment of a project, in one environment or all."""
    rows = SegmentEnvironment.objects.filter(project=project_key)
    if environment_key is not None:
        rows = rows.filter(environment=environment_key)
    return [to_config(row) for row in rows]


def configs_of(project_key: str, key: str) -> dict[str, SegmentConfigRow]:
    """Environment key -> the segment there, where it is defined."""
    rows = SegmentEnvironment.objects.filter(project=project_key, segment=key)
    return {str(row.environment): to_config(row) for row in rows}
