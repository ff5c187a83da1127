"""Reading access: grants, who can do what, what somebody can."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ensign.control.access import as_of
from ensign.control.access.decisions import view, views
from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.models import Grant, Organisation
from ensign.control.access.permissions import Permission
from ensign.control.access.presets import PRESETS, Preset, PresetView
from ensign.control.access.staging import ORGANISATION_ID
from ensign.control.access.standing import Line
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationView:
    """What was decided at set-up. ``enforced_since`` None: no approval is asked for anywhere by default."""

    name: str
    preset: PresetView
    compensating_control: str
    enforced_since: datetime | None
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who may do something, and through which grants (directly or by ``via`` groups)."""

    subject: str
    kind: Literal["person", "service"]
    grants: tuple[GrantView, ...]


def organisation() -> OrganisationView | None:
    """What was decided at set-up, or None before it."""
    row = Organisation.objects.filter(pk=ORGANISATION_ID).first()
    if row is None:
        return None
    state = row.state
    return OrganisationView(
        name=state["name"],
        preset=PRESETS[Preset(state["preset"])],
        compensating_control=state["compensating_control"] or "",
        enforced_since=clock.parse(state["enforced_since"]) if state["enforced_since"] else None,
        decided_at=clock.parse(state["decided_at"]),
    )


def preset() -> PresetView:
    """The preset in force for new projects; the recommended one before set-up and in tests."""
    decided = organisation()
    return PRESETS[Preset.SMALL_TEAM] if decided is None else decided.preset


def grant(id: str) -> GrantView:
    """One grant.

    :raises NotFound: when there is none.
    """
    row = Grant.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such grant.", remedy="See Access.")
    return view(row)


def grants(
    *, subject: str | None = None, project: str | None = None, role: str | None = None, ended: bool = False
) -> tuple[GrantView, ...]:
    """Grants, newest first: of one subject, within one project, of one role, or all; ended ones only if asked for."""
    rows = Grant.objects.order_by("-pk")
    if subject is not None:
        rows = rows.filter(subject=subject)
    if project is not None:
        rows = rows.filter(project=project)
    if role is not None:
        rows = rows.filter(role=role)
    if not ended:
        rows = rows.filter(status="active")
    return views(rows)


def grants_of(subject: str) -> tuple[GrantView, ...]:
    """Active grants of a subject, those through groups included."""
    subjects = [subject]
    if subject.startswith("usr_"):
        subjects += [group.id for group in identity.groups_of(subject)]
    rows = Grant.objects.filter(subject__in=subjects, status="active").order_by("pk")
    return views(rows)


def who_can(permission: Permission, scope: Scope, *, at: datetime) -> tuple[Holder, ...]:
    """Everybody active who holds ``permission`` in ``scope`` at ``at``, in a few queries whatever their number.

    Unless ``scope`` names a flag, those who hold it for some flags are among them; their grants say for which.
    """
    found: dict[str, list[Line]] = defaultdict(list)
    for line in as_of.now(at=at).who(permission, scope):
        found[line.subject].append(line)
    return tuple(
        Holder(subject=subject, kind=lines[0].kind, grants=tuple(line.grant for line in lines))
        for subject, lines in sorted(found.items())
    )


def what_can(subject: str, *, at: datetime) -> tuple[tuple[GrantView, tuple[Permission, ...]], ...]:
    """The subject's grants in force, each with the permissions of its role that reach anything in its scope.

    A narrowed grant's are those that it confers for its flags at least.
    """
    answer = []
    for grant_ in grants_of(subject):
        if grant_.in_force(at=at):
            inside = Scope(grant_.scope.project or "*", grant_.scope.environment or "*")
            held = tuple(p for p in Permission if grant_.covers_some(p, inside))
            answer.append((grant_, held))
    return tuple(answer)
