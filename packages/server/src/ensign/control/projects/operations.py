"""Making and describing projects and environments. Policies and protection change through ``changes``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import actions, enforcement, presets, queries
from ensign.control.projects.domain import PolicyRules, check_key, check_name, check_text, check_version
from ensign.control.projects.models import Environment, Policy, Project

MAX_ENVIRONMENTS = 12
_STICKINESS = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")


@operation
def create_project(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    name: str,
    description: str = "",
    default_stickiness: str = "default",
    preset: str | None = None,
    compensating_control: str = "",
) -> queries.ProjectRow:
    """A project with the environments development, staging and production, and the policies of a preset.

    Without ``preset`` it gets that of the installation; a weaker one takes ``org:settings:manage``.

    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when the key is taken.
    :raises Denied: without ``org:project:create``.
    """
    require(actor, Permission.ORG_PROJECT_CREATE, at=at)
    default = enforcement.current()
    chosen = default.preset if not preset else presets.preset(preset)
    if chosen.strength < default.preset.strength:
        require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    control = compensating_control or (default.compensating_control if chosen == default.preset else "")
    key = check_key(key)
    state = {
        "key": key,
        "name": check_name(name),
        "description": check_text(description, field="description"),
        "default_stickiness": _stickiness(default_stickiness),
        "status": "active",
        "created_at": clock.text(at),
    }
    if Project.objects.filter(key=key).exists():
        raise Conflict(f"There is a project “{key}” already.", remedy="Choose another key.", code="key-taken")
    staged = [stage(Project, id=ids.new_id("prj", at=at), state=state)]
    for position, plan in enumerate(presets.ENVIRONMENTS):
        protected = plan.protected and chosen.protects_production
        rules = chosen.rules(protected=protected, compensating_control=control, since=clock.text(at))
        staged += _environment(
            project=key, key=plan.key, name=plan.name, position=position, protected=protected, rules=rules, at=at
        )
    record(
        action=actions.PROJECT_CREATED,
        actor=actor,
        at=at,
        staged=staged,
        where=Where(project=key),
        detail={"preset": chosen.key},
    )
    return queries.project(key)


@operation
def update_project(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    name: str | None = None,
    description: str | None = None,
    default_stickiness: str | None = None,
    expected_version: int | None = None,
) -> queries.ProjectRow:
    """Change what a project is called. The default stickiness counts for rules that are written from now on.

    :raises Invalid: naming the field that is wrong.
    :raises NotFound: when there is no such project.
    :raises Denied: without ``project:update``.
    """
    require(actor, Permission.PROJECT_UPDATE, Scope(project), at=at)
    row = _project(project)
    check_version(row.version, expected_version)
    state = row.state
    if name is not None:
        state["name"] = check_name(name)
    if description is not None:
        state["description"] = check_text(description, field="description")
    if default_stickiness is not None:
        state["default_stickiness"] = _stickiness(default_stickiness)
    if state != row.state:
        staged = stage(Project, id=row.pk, state=state, current=row)
        record(action=actions.PROJECT_UPDATED, actor=actor, at=at, staged=[staged], where=Where(project=project))
    return queries.project(project)


@operation
def create_environment(
    *, actor: Actor, at: datetime, project: str, key: str, name: str, protected: bool = False
) -> queries.EnvironmentRow:
    """A further environment, last in the order; a protected one asks for one approval.

    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when the key is taken or there are too many.
    :raises NotFound: when there is no such project.
    :raises Denied: without ``project:environments:manage``.
    """
    require(actor, Permission.PROJECT_ENVIRONMENTS_MANAGE, Scope(project), at=at)
    _project(project)
    key = check_key(key)
    existing = list(Environment.objects.filter(project=project))
    if any(row.key == key for row in existing):
        raise Conflict(f"There is an environment “{key}” already.", remedy="Choose another key.", code="key-taken")
    if len(existing) >= MAX_ENVIRONMENTS:
        raise Conflict(f"A project has at most {MAX_ENVIRONMENTS} environments.", code="too-many")
    rules = PolicyRules(
        approvals=1 if protected else 0,
        requires_reason=protected,
        enforced_since=clock.text(at) if protected else "",
    )
    position = 1 + max((int(row.position) for row in existing), default=-1)
    staged = _environment(
        project=project, key=key, name=check_name(name), position=position, protected=protected, rules=rules, at=at
    )
    record(
        action=actions.ENVIRONMENT_CREATED,
        actor=actor,
        at=at,
        staged=staged,
        where=Where(project=project, environment=key),
        detail={"protected": protected},
    )
    return queries.environment(project, key)


@operation
def rename_environment(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    name: str,
    expected_version: int | None = None,
) -> queries.EnvironmentRow:
    """Change an environment's name; its key stays, as tokens and rules refer to it.

    :raises Invalid: naming the field that is wrong.
    :raises NotFound: when there is no such environment.
    :raises Denied: without ``project:environments:update``.
    """
    require(actor, Permission.PROJECT_ENVIRONMENTS_UPDATE, Scope(project), at=at)
    row = Environment.objects.select_for_update().filter(project=project, key=environment, status="active").first()
    if row is None:
        raise NotFound(f"There is no environment “{environment[:100]}” in the project “{project[:100]}”.")
    check_version(row.version, expected_version)
    state = {**row.state, "name": check_name(name)}
    if state != row.state:
        record(
            action=actions.ENVIRONMENT_UPDATED,
            actor=actor,
            at=at,
            staged=[stage(Environment, id=row.pk, state=state, current=row)],
            where=Where(project=project, environment=environment),
        )
    return queries.environment(project, environment)


@operation
def order_environments(
    *, actor: Actor, at: datetime, project: str, order: Sequence[str]
) -> list[queries.EnvironmentRow]:
    """Put the environments into the order of progression; ``order`` names each of them once.

    :raises Invalid: when it does not.
    :raises NotFound: when there is no such project.
    :raises Denied: without ``project:environments:update``.
    """
    require(actor, Permission.PROJECT_ENVIRONMENTS_UPDATE, Scope(project), at=at)
    _project(project)
    rows = {
        str(row.key): row for row in Environment.objects.select_for_update().filter(project=project, status="active")
    }
    if sorted(order) != sorted(rows):
        raise Invalid(
            "The order does not fit the environments.",
            fields={"order": f"Name each of these once: {', '.join(rows)}."},
        )
    staged = [
        stage(Environment, id=rows[key].pk, state={**rows[key].state, "position": position}, current=rows[key])
        for position, key in enumerate(order)
        if rows[key].position != position
    ]
    if staged:
        record(action=actions.ENVIRONMENTS_ORDERED, actor=actor, at=at, staged=staged, where=Where(project=project))
    return queries.environments(project)


def _environment(
    *, project: str, key: str, name: str, position: int, protected: bool, rules: PolicyRules, at: datetime
) -> list[Staged]:
    state = {
        "project": project,
        "key": key,
        "name": name,
        "position": position,
        "protected": protected,
        "status": "active",
        "created_at": clock.text(at),
    }
    policy = {"project": project, "environment": key, **rules.to_state()}
    return [
        stage(Environment, id=ids.new_id("env", at=at), state=state),
        stage(Policy, id=ids.new_id("pol", at=at), state=policy),
    ]


def _project(key: str) -> Project:
    row = Project.objects.select_for_update().filter(key=key).first()
    if row is None:
        raise NotFound(f"There is no project “{key[:100]}”.", remedy="Look at the list of projects.")
    return row


def _stickiness(name: str) -> str:
    trimmed = name.strip() or "default"
    if not _STICKINESS.match(trimmed):
        message = "Write default, random, or a field of the context such as userId."
        raise Invalid("This stickiness cannot be used.", fields={"default_stickiness": message})
    return trimmed
