"""How far publications have come, for the API."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.flags import queries as flags
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound
from ensign.control.publishing import reach_rows
from ensign.control.publishing.reach import ReachView

router = Router(tags=["reach"])


class GroupOut(Schema):
    """Instances of one application with one SDK and mode, ``streaming`` or ``polling``."""

    app: str
    sdk: str
    mode: str
    instances: int
    running: int
    sent: int
    missing: int
    slowest_ms: int | None = Field(description="To the last of those known to run it; null where a node does not say.")


class ReachOut(Schema):
    """How far one publication has come in its environment; docs/reference/reach.md says what each number rests on."""

    environment: str
    epoch: int
    number: int
    published_at: datetime
    instances: int = Field(description="Connected when it was published, and not ended before they ran it.")
    running: int = Field(description="Known to run it.")
    sent: int = Field(description="Given it over a stream; they do not say, or have not said yet, that they run it.")
    missing: int
    gone: int = Field(description="Ended before they ran it; in no other number.")
    ms: int | None = Field(description="From the act that published it to the last of those known to run it.")
    p50_ms: int | None
    p99_ms: int | None
    settled: bool = Field(description="No more is to be expected.")
    sentence: str
    groups: list[GroupOut]
    entry: int | None = Field(description="The entry of the log that holds this, once there is one.")


class PresentOut(Schema):
    """Who is connected to one environment at present."""

    environment: str
    instances: int
    running: int = Field(description="Known to run the newest rules.")
    groups: list[GroupOut]


class FlagReachOut(Schema):
    """How far the last change of a flag has come in each environment, and who is connected."""

    changes: list[ReachOut]
    connected: list[PresentOut]


def said(view: ReachView) -> ReachOut:
    """A view as the API says it."""
    return ReachOut.from_orm(view)


@router.get(
    "/projects/{project}/flags/{flag}/reach", response=FlagReachOut, summary="How far the last change of a flag came"
)
def of_flag(request: HttpRequest, project: str, flag: str) -> FlagReachOut:
    """By environment: how many instances run it, and after how long."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    at = clock.now()
    require(actor, Permission.PROJECT_READ, Scope(project), at=at)
    if flags.flag(flag).info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    views = reach_rows.of_flag(project=project, flag=flag, at=at)
    here = reach_rows.present(project=project, at=at)
    return FlagReachOut(
        changes=[said(view) for view in views.values()],
        connected=[PresentOut.from_orm(view) for _, view in sorted(here.items())],
    )
