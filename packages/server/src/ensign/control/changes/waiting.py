"""Open requests and the reader's draft beside the flags that they would change, and what waits for a person."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.changes import queries
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.drafting import my_draft
from ensign.control.changes.moving import overtaken
from ensign.control.changes.pages import address
from ensign.control.changes.rights import flags_of, stored_facts
from ensign.control.flags.beside import Pending, Waiting
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError


def waiting(project: str) -> Waiting:
    """What would change flags of a project, by flag and environment; drafts are their authors' own business."""
    found: dict[tuple[str, str], list[Pending]] = {}
    asked = [row.request for row in queries.open_requests(project) if row.request.status != "draft"]
    late = overtaken(asked)
    for request in asked:
        state = "conflicted" if request.id in late else request.status
        pending = Pending(title=request.title, href=address(request), state=state)
        for ref in algebra.touched(request.environment, request.operations):
            if ref.kind in {"config", "flag"}:
                found.setdefault((ref.key, request.environment), []).append(pending)
    return found


def drafted(actor: Actor, project: str, environment: str, flag: str) -> FlagConfig | None:
    """A flag as the actor's own draft would leave it; None when it does not change it, or is in conflict.

    Of a conflict the page of the draft tells.
    """
    row = my_draft(actor, project=project, environment=environment)
    if row is None:
        return None
    draft = queries.to_row(row).request
    if not any(ref.kind == "config" and ref.key == flag for ref in algebra.touched(environment, draft.operations)):
        return None
    try:
        return algebra.apply_all(queries.world_of(draft), draft.operations).configs.get(flag)
    except EnsignError:
        return None


def waits_for_me(actor: Actor, *, at: datetime, rights: Held | None = None) -> list[ChangeRequest]:
    """Open requests, newest first, that this actor could move on: approve what others wrote, apply what is approved.

    ``rights`` saves reading what the actor holds when the page has done so already.
    """
    rights = held(actor, at=at) if rights is None else rights
    rows = queries.requests(
        reader=actor.id,
        projects=rights.projects(Permission.PROJECT_READ),
        statuses=("in_review", "approved"),
        limit=500,
    )
    flags = {row.request.id: flags_of(row.request.operations) for row in rows}
    stored = stored_facts(frozenset[str | None]().union(*flags.values())) if rights.narrowed else {}
    found = []
    for request in (row.request for row in rows):
        place = Scope(request.project, request.environment)
        scopes = {place.of_flag(stored.get(key)) for key in flags[request.id]}
        approves = all(rights.allows(Permission.CHANGE_APPROVE, scope) for scope in scopes)
        if _waits(request, actor, approves=approves):
            found.append(request)
    return found


def _waits(request: ChangeRequest, actor: Actor, *, approves: bool) -> bool:
    gave = any(a.person == actor.id for a in request.approvals)
    if request.status == "approved":
        return actor.id in request.authors or gave
    return approves and actor.id not in request.barred and not gave
