"""Making and describing segments, which alters nothing that an application sees. Constraints change in ``changes``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, lock_head, record
from ensign.control.audit.staging import stage
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_key, check_name, check_text, check_version
from ensign.control.segments import actions, queries
from ensign.control.segments.domain import SegmentInfo
from ensign.control.segments.models import Segment


@operation
def create_segment(
    *, actor: Actor, at: datetime, project: str, key: str, name: str, description: str = ""
) -> queries.SegmentRow:
    """A segment without constraints: strategies can refer to it in an environment once it is defined there.

    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when the key is taken in this project.
    :raises NotFound: when there is no such project.
    :raises Denied: without ``segment:create``.
    """
    require(actor, Permission.SEGMENT_CREATE, Scope(project), at=at)
    projects.project(project)
    key = check_key(key)
    name = check_name(name)
    description = check_text(description, field="description")
    if Segment.objects.filter(project=project, key=key).exists():
        raise Conflict(f"There is a segment “{key}” already.", remedy="Choose another key.", code="key-taken")
    lock_head()  # the wire id counts segments of the whole installation
    last = Segment.objects.order_by("-wire_id").values_list("wire_id", flat=True).first()
    info = SegmentInfo(
        key=key,
        project=project,
        name=name,
        wire_id=int(last or 0) + 1,
        description=description,
        created_at=clock.text(at),
    )
    record(
        action=actions.SEGMENT_CREATED,
        actor=actor,
        at=at,
        staged=[stage(Segment, id=ids.new_id("seg", at=at), state=info.to_state())],
        where=Where(project=project),
    )
    return queries.segment(project, key)


@operation
def update_segment(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    key: str,
    name: str | None = None,
    description: str | None = None,
    expected_version: int | None = None,
) -> queries.SegmentRow:
    """Change a segment's name and description; SDKs know it by its key and number.

    :raises Invalid: naming the field that is wrong.
    :raises NotFound: when there is no such segment.
    :raises Denied: without ``segment:update``.
    """
    require(actor, Permission.SEGMENT_UPDATE, Scope(project), at=at)
    row = Segment.objects.select_for_update().filter(project=project, key=key).first()
    if row is None:
        raise NotFound(f"There is no segment “{key[:100]}” in the project “{project[:100]}”.")
    check_version(row.version, expected_version)
    info = SegmentInfo.from_state(row.state)
    changed = replace(
        info,
        name=info.name if name is None else check_name(name),
        description=info.description if description is None else check_text(description, field="description"),
    )
    if changed != info:
        staged = stage(Segment, id=row.pk, state=changed.to_state(), current=row)
        record(action=actions.SEGMENT_UPDATED, actor=actor, at=at, staged=[staged], where=Where(project=project))
    return queries.segment(project, key)
