"""Which rules a change must meet where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.models import Environment, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """The policy in force in one environment. ``protected`` is the environment's."""

    id: str
    version: int
    project: str
    environment: str
    protected: bool
    approvals: int
    apply_on_last_approval: bool
    requires_reason: bool
    compensating_control: str
    preset: str
    enforced_since: datetime | None

    @property
    def rules(self) -> PolicyRules:
        """The rules alone, as a change of them starts from."""
        return PolicyRules(
            approvals=self.approvals,
            apply_on_last_approval=self.apply_on_last_approval,
            requires_reason=self.requires_reason,
            compensating_control=self.compensating_control,
            preset=self.preset,
            enforced_since="" if self.enforced_since is None else clock.text(self.enforced_since),
        )

    @property
    def without_approval(self) -> bool:
        """Whether this is a protected environment that rests on a compensating control alone."""
        return self.protected and self.approvals == 0

    @property
    def sentence(self) -> str:
        """What it asks for, as one sentence for people."""
        if self.approvals:
            people = "one other person" if self.approvals == 1 else f"{self.approvals} other people"
            applied = ", and applies with the last approval" if self.apply_on_last_approval else ""
            return f"A change needs the approval of {people}{applied}."
        if self.protected:
            return f"A change needs no approval. Compensating control: {self.compensating_control}"
        return "A change applies at once."


def to_view(row: Policy, *, protected: bool) -> PolicyView:
    """The frozen form of a row."""
    state = row.state
    since = state["enforced_since"]
    return PolicyView(
        id=row.pk,
        version=row.version,
        **{**state, "enforced_since": clock.parse(since) if since else None, "protected": protected},
    )


def policy(project_key: str, environment_key: str) -> PolicyView:
    """The policy in force in one environment.

    :raises NotFound: when there is no such active environment.
    """
    found = policies(project_key).get(environment_key)
    if found is None:
        raise NotFound(
            f"There is no environment “{environment_key[:100]}” in the project “{project_key[:100]}”.",
            remedy="Look at the project's page.",
        )
    return found


def policies(project_key: str) -> dict[str, PolicyView]:
    """Environment key -> policy, of every active environment of the project; two queries."""
    protected = {
        str(key): bool(value)
        for key, value in Environment.objects.filter(project=project_key, status="active").values_list(
            "key", "protected"
        )
    }
    rows = Policy.objects.filter(project=project_key)
    return {
        str(row.environment): to_view(row, protected=protected[str(row.environment)])
        for row in rows
        if str(row.environment) in protected
    }


def strictest(views: Iterable[PolicyView]) -> PolicyView:
    """The policy that a change reaching all of these environments answers to.

    Most approvals first; then the one that keeps the author's hand on the act; then that which wants a reason;
    protection breaks the last tie.

    :raises ValueError: when there is none.
    """
    return max(
        views,
        key=lambda v: (v.approvals, v.protected, not v.apply_on_last_approval, v.requires_reason, v.environment),
    )
