"""Writes of release templates. Nothing that an application sees changes with them, nor any ramp or request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import rows as governed
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes.domain.ramp_operations import MOST_GUARDS, OnBreach, RampStep, check_steps
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text
from ensign.control.releases import actions, queries
from ensign.control.releases.domain import Template
from ensign.control.releases.models import ReleaseTemplate

MOST = 100
"""Templates of one project at most."""


def _checked(template: Template) -> Template:
    """A template as it may stand.

    :raises Invalid: naming what is wrong. :raises Conflict: when the project has another one of this name.
    """
    name = check_text(template.name, field="name", limit=100).replace("\n", " ")
    if not name:
        raise Invalid("The template has no name.", fields={"name": "Give it one, such as “Careful”."})
    guards = tuple(dict.fromkeys(guard.strip() for guard in template.guards if guard.strip()))
    if len(guards) > MOST_GUARDS:
        raise Invalid("Too many guards.", fields={"guards": f"Name at most {MOST_GUARDS}."})
    if template.on_breach not in ("pause", "roll_back"):
        raise Invalid("There is no such consequence.", fields={"on_breach": "Choose pause or roll_back."})
    for other in queries.templates(template.project):
        if other.template.name.lower() == name.lower() and other.template.id != template.id:
            raise Conflict(
                "There is a template of this name already.", remedy="Choose another name.", code="name-taken"
            )
    return replace(
        template,
        name=name,
        description=check_text(template.description, field="description", limit=1_000),
        steps=check_steps(template.steps),
        guards=guards,
    )


def _write(template: Template, row: ReleaseTemplate | None, action: Action, *, actor: Actor, at: datetime) -> Template:
    record(
        action=action,
        actor=actor,
        at=at,
        staged=[stage(ReleaseTemplate, id=template.id, state=template.to_state(), current=row)],
        where=Where(project=template.project),
        detail={
            "template": template.id,
            "steps": [step.percent for step in template.steps],
            "holds": [step.hold for step in template.steps],
        },
    )
    return template


def _locked(id: str, *, expected_version: int | None) -> tuple[ReleaseTemplate, Template]:
    row = governed.row(ReleaseTemplate, lock="update", id=id)
    if row is None:
        raise NotFound("There is no such release template.", remedy="Look at the list of templates.")
    if expected_version is not None and row.version != expected_version:
        raise Conflict(
            "The template changed since you looked at it. Nothing was done.",
            remedy="Look at it as it is now.",
            code="version-conflict",
        )
    return row, Template.from_state(row.pk, row.state)


@operation
def make(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    name: str,
    steps: Sequence[RampStep],
    description: str = "",
    guards: Sequence[str] = (),
    on_breach: OnBreach = "pause",
) -> Template:
    """A named plan from which ramps are drafted.

    :raises Denied: without ``template:manage``. :raises Invalid, Conflict: when it may not stand like this.
    """
    projects.project(project)
    require(actor, Permission.TEMPLATE_MANAGE, Scope(project), at=at)
    if len(queries.templates(project)) >= MOST:
        raise Conflict(f"A project holds at most {MOST} templates.", remedy="Archive one that nobody uses.")
    made = Template(
        id=ids.new_id("tpl", at=at),
        project=project,
        name=name,
        description=description,
        steps=tuple(steps),
        guards=tuple(guards),
        on_breach=on_breach,
    )
    return _write(_checked(made), None, actions.TEMPLATE_MADE, actor=actor, at=at)


@operation
def change(
    *,
    actor: Actor,
    at: datetime,
    template_id: str,
    name: str | None = None,
    steps: Sequence[RampStep] | None = None,
    description: str | None = None,
    guards: Sequence[str] | None = None,
    on_breach: OnBreach | None = None,
    expected_version: int | None = None,
) -> Template:
    """Replace what a template says; None leaves a member as it is. What was drafted from it stays as it is.

    :raises Denied: without ``template:manage``. :raises Conflict: when it is archived, or changed meanwhile.
    """
    row, old = _locked(template_id, expected_version=expected_version)
    require(actor, Permission.TEMPLATE_MANAGE, Scope(old.project), at=at)
    if old.archived:
        raise Conflict("This template is archived.", code="wrong-state")
    new = replace(
        old,
        name=old.name if name is None else name,
        steps=old.steps if steps is None else tuple(steps),
        description=old.description if description is None else description,
        guards=old.guards if guards is None else tuple(guards),
        on_breach=old.on_breach if on_breach is None else on_breach,
    )
    return _write(_checked(new), row, actions.TEMPLATE_CHANGED, actor=actor, at=at)


@operation
def archive(*, actor: Actor, at: datetime, template_id: str, expected_version: int | None = None) -> Template:
    """Offer a template no more.

    :raises Denied: without ``template:manage``. :raises Conflict: when it is archived already.
    """
    row, old = _locked(template_id, expected_version=expected_version)
    require(actor, Permission.TEMPLATE_MANAGE, Scope(old.project), at=at)
    if old.archived:
        raise Conflict("This template is archived already.", code="wrong-state")
    return _write(replace(old, archived=True), row, actions.TEMPLATE_ARCHIVED, actor=actor, at=at)
