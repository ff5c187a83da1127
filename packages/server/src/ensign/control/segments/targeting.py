"""New content of segments. Demands an approved change; importable by ``changes`` alone (import-linter holds that)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ensign.control.audit import rows as governed
from ensign.control.audit.staging import Staged, stage
from ensign.control.kernel import ids
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import ApprovedChange
from ensign.control.segments import queries
from ensign.control.segments.domain import SegmentConfig, SegmentInfo
from ensign.control.segments.models import Segment, SegmentEnvironment
from ensign.control.segments.validation import check_config


def stage_config(
    *, segment_key: str, project: str, environment: str, config: SegmentConfig, approved: ApprovedChange, at: datetime
) -> Staged:
    """The next version of a segment in one environment, validated and canonical.

    :raises Invalid: naming every field that is wrong.
    :raises NotFound: when there is no such segment.
    """
    approved.require(project=project, environments=[environment])
    info = queries.segment(project, segment_key).info
    state = {
        "segment": info.key,
        "project": project,
        "environment": environment,
        **check_config(config).to_state(),
    }
    current = governed.row(
        SegmentEnvironment, lock="update", project=project, environment=environment, segment=segment_key
    )
    id = ids.new_id("sgc", at=at) if current is None else current.pk
    return stage(SegmentEnvironment, id=id, state=state, current=current)


def stage_mapped(*, segment_key: str, project: str, mapped: bool, approved: ApprovedChange) -> Staged:
    """The next version of what all environments share of a segment: whether it is environment-mapped.

    The approval must cover every environment of the project.

    :raises NotFound: when there is no such segment.
    """
    approved.require(project=project, environments=[e.key for e in projects.environments(project)])
    row = governed.row(Segment, lock="update", project=project, key=segment_key)
    if row is None:
        raise NotFound(f"There is no segment “{segment_key[:100]}” in the project “{project[:100]}”.")
    changed = replace(SegmentInfo.from_state(row.state), mapped=mapped)
    return stage(Segment, id=row.pk, state=changed.to_state(), current=row)
