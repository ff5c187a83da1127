"""Parts of writes about grants and the organisation. No decision is made here; all run inside the write door."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.domain import ANY_FLAG, Narrowing, Scope
from ensign.control.access.models import Grant, Organisation
from ensign.control.access.presets import PRESETS, Preset
from ensign.control.audit.staging import Staged, stage
from ensign.control.kernel import clock
from ensign.control.kernel.ids import new_id

ORGANISATION_ID = "organisation"


def stage_grant(
    *,
    subject: str,
    role: str,
    scope: Scope,
    granted_by: str,
    starts_at: datetime,
    ends_at: datetime | None,
    at: datetime,
    narrowing: Narrowing = ANY_FLAG,
    reason: str = "",
) -> Staged:
    """A new grant's row."""
    state = {
        "subject": subject,
        "role": role,
        "project": scope.project,
        "environment": scope.environment,
        "flag_types": sorted(narrowing.types),
        "tags": sorted(narrowing.tags),
        "reason": reason,
        "granted_by": granted_by,
        "starts_at": clock.text(starts_at),
        "ends_at": None if ends_at is None else clock.text(ends_at),
        "status": "active",
        "ended_by": None,
    }
    return stage(Grant, id=new_id("grt", at=at), state=state)


def stage_grant_end(row: Grant, *, ended_by: str) -> Staged:
    """The end of a grant."""
    return stage(Grant, id=row.pk, state={**row.state, "status": "revoked", "ended_by": ended_by}, current=row)


def stage_grant_until(row: Grant, *, ends_at: datetime | None) -> Staged:
    """Another end of a grant."""
    state = {**row.state, "ends_at": None if ends_at is None else clock.text(ends_at)}
    return stage(Grant, id=row.pk, state=state, current=row)


def stage_organisation(*, name: str, preset: Preset, control: str, at: datetime) -> Staged:
    """What was decided at set-up. Enforcement begins at ``at``, if approvals are asked for at all."""
    state = {
        "name": name,
        "preset": str(preset),
        "compensating_control": control or None,
        "enforced_since": clock.text(at) if PRESETS[preset].approvals else None,
        "decided_at": clock.text(at),
    }
    return stage(Organisation, id=ORGANISATION_ID, state=state)
