"""Reads of ramps and release templates, as frozen values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ensign.control.kernel.errors import NotFound
from ensign.control.releases.domain import UNDERWAY, Ramp, Template
from ensign.control.releases.models import Ramp as RampRow
from ensign.control.releases.models import ReleaseTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A template with its row's version."""

    template: Template
    version: int


def ramp(id: str) -> Ramp:
    """One ramp.

    :raises NotFound: when there is none.
    """
    row = RampRow.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such ramp.", remedy="Look at the list of releases.")
    return Ramp.from_state(row.pk, row.state)


def ramps(
    *,
    projects: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
    request: str | None = None,
    flag: str | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> list[Ramp]:
    """Ramps, newest first; of ``projects`` (None: all), of one request or flag, older than id ``before``."""
    rows = RampRow.objects.order_by("-id")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    if statuses is not None:
        rows = rows.filter(status__in=statuses)
    if request is not None:
        rows = rows.filter(request=request)
    if flag is not None:
        rows = rows.filter(flag=flag)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [Ramp.from_state(row.pk, row.state) for row in (rows if limit is None else rows[:limit])]


def underway(project: str, *, flag: str | None = None) -> list[Ramp]:
    """Ramps of a project that can still go on, newest first."""
    return ramps(projects=(project,), statuses=sorted(UNDERWAY), flag=flag)


def template(id: str) -> TemplateRow:
    """One release template.

    :raises NotFound: when there is none.
    """
    row = ReleaseTemplate.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such release template.", remedy="Look at the list of templates.")
    return TemplateRow(template=Template.from_state(row.pk, row.state), version=row.version)


def templates(project: str, *, archived: bool = False) -> list[TemplateRow]:
    """The templates of a project by name; archived ones only if asked for."""
    found = [
        TemplateRow(template=Template.from_state(row.pk, row.state), version=row.version)
        for row in ReleaseTemplate.objects.filter(project=project)
    ]
    kept = [one for one in found if archived or not one.template.archived]
    return sorted(kept, key=lambda one: (one.template.name.lower(), one.template.id))
