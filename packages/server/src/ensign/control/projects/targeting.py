"""New policies and protection. Demands an approved change; importable by ``changes`` alone (a contract holds it)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ensign.control.audit.staging import Staged, stage
from ensign.control.kernel import clock, ids
from ensign.control.kernel.errors import NotFound
from ensign.control.projects.checking import check_rules
from ensign.control.projects.domain import ApprovedChange, PolicyRules
from ensign.control.projects.knowing import require_known
from ensign.control.projects.models import Environment, Policy


def stage_policy(
    *, project: str, environment: str, rules: PolicyRules, approved: ApprovedChange, at: datetime
) -> Staged:
    """The next version of the policy of one environment (operation ``policy.set``).

    ``enforced_since`` of ``rules`` is ignored: it stays while approvals are asked for without a break, else it is
    ``at`` or empty.

    :raises Invalid: naming the field that is wrong.
    :raises NotFound: when there is no such environment.
    """
    approved.require(project=project, environments=[environment])
    place = _environment(project, environment)
    current = Policy.objects.select_for_update().filter(project=project, environment=environment).first()
    before = PolicyRules() if current is None else PolicyRules.from_state(current.state)
    checked = check_rules(rules, protected=bool(place.protected))
    require_known(checked, project=project, environment=environment)
    since = (before.enforced_since or clock.text(at)) if checked.always.required else ""
    state = {"project": project, "environment": environment, **replace(checked, enforced_since=since).to_state()}
    id = ids.new_id("pol", at=at) if current is None else current.pk
    return stage(Policy, id=id, state=state, current=current)


def stage_protection(
    *, project: str, environment: str, protected: bool, approved: ApprovedChange, at: datetime
) -> list[Staged]:
    """The environment with or without protection (operation ``environment.protect``) and, where protection begins
    on a policy without approvals and without a compensating control, the policy with one approval.

    :raises NotFound: when there is no such environment.
    """
    approved.require(project=project, environments=[environment])
    row = _environment(project, environment)
    staged = [stage(Environment, id=row.pk, state={**row.state, "protected": protected}, current=row)]
    policy = Policy.objects.select_for_update().get(project=project, environment=environment)
    rules = PolicyRules.from_state(policy.state)
    if protected and rules.approvals == 0 and not rules.compensating_control:
        stricter = replace(rules, approvals=1, enforced_since=clock.text(at), preset="")
        state = {"project": project, "environment": environment, **stricter.to_state()}
        staged.append(stage(Policy, id=policy.pk, state=state, current=policy))
    return staged


def _environment(project: str, key: str) -> Environment:
    row = Environment.objects.select_for_update().filter(project=project, key=key, status="active").first()
    if row is None:
        raise NotFound(f"There is no environment “{key[:100]}” in the project “{project[:100]}”.")
    return row
