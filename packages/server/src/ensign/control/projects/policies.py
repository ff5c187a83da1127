"""Which rules a change must meet where."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from ensign.control.audit import rows as governed
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.models import Environment, Policy
from ensign.control.projects.policy_words import count, either, span
from ensign.control.projects.presets import PRESETS


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """The policy in force in one environment. ``protected`` is the environment's."""

    id: str
    version: int
    project: str
    environment: str
    protected: bool
    rules: PolicyRules

    @property
    def approvals(self) -> int:
        """How many other people must approve every change; rules may ask for more."""
        return self.rules.always.required

    @property
    def apply_on_last_approval(self) -> bool:
        """Whether a change applies at once with the last approval."""
        return self.rules.apply_on_last_approval

    @property
    def requires_reason(self) -> bool:
        """Whether every change needs a reason."""
        return self.rules.always.requires_reason

    @property
    def compensating_control(self) -> str:
        """What is done instead where a protected environment asks for no approval."""
        return self.rules.compensating_control

    @property
    def preset(self) -> str:
        """The key of the preset that it came from, or empty."""
        return self.rules.preset

    @property
    def enforced_since(self) -> datetime | None:
        """Since when approvals are asked for without a break."""
        return clock.parse(self.rules.enforced_since) if self.rules.enforced_since else None

    @property
    def without_approval(self) -> bool:
        """Whether this is a protected environment that rests on a compensating control alone."""
        return self.protected and self.approvals == 0

    @property
    def preset_name(self) -> str:
        """What people call the preset that it came from; empty for one that was written by hand."""
        found = PRESETS.get(self.preset)
        return found.name if found is not None else self.preset

    def _needs(self, number: int) -> list[str]:
        """What every change must have besides a reason, in phrases."""
        always = self.rules.always
        people = "one other person" if number == 1 else f"{number} other people"
        said = [f"the {'signed ' if always.signed else ''}approval of {people}"]
        said += ["a ticket"] if always.requires_ticket else []
        said += ["tests that passed"] if always.requires_tests else []
        said += [
            f"{span(one.hours)} in {one.environment}" if one.hours else f"to have run in {one.environment}"
            for one in always.progression
        ]
        return said

    @property
    def sentence(self) -> str:
        """What it asks for, as one sentence for people."""
        number = self.rules.always.required
        rules = f" {count(len(self.rules.rules), 'rule')} may ask for more." if self.rules.rules else ""
        if number:
            applied = ", and applies with the last approval" if self.apply_on_last_approval else ""
            return f"A change needs {either(self._needs(number), 'and')}{applied}.{rules}"
        if self.protected:
            return f"A change needs no approval. Compensating control: {self.compensating_control}{rules}"
        return f"A change needs no approval.{rules}" if rules else "A change applies at once."


def to_view(row: Policy, *, protected: bool) -> PolicyView:
    """The frozen form of a row."""
    return PolicyView(
        id=row.pk,
        version=row.version,
        project=str(row.project),
        environment=str(row.environment),
        protected=protected,
        rules=PolicyRules.from_state(row.state),
    )


def policy(project_key: str, environment_key: str) -> PolicyView:
    """The policy in force in one environment.

    :raises NotFound: when there is no such active environment.
    """
    return policies_of(project_key, [environment_key])[0]


def policies_of(project_key: str, environments: Collection[str], *, lock: bool = False) -> list[PolicyView]:
    """The policies in force in some environments, in their order; with ``lock`` held until the commit.

    :raises NotFound: when one of them is no active environment.
    """
    found = policies(project_key, lock=environments if lock else ())
    for key in environments:
        if key not in found:
            raise NotFound(
                f"There is no environment “{key[:100]}” in the project “{project_key[:100]}”.",
                remedy="Look at the project's page.",
            )
    return [found[key] for key in environments]


def policies(project_key: str, *, lock: Collection[str] = ()) -> dict[str, PolicyView]:
    """Environment key -> policy, of every active environment of the project; two queries.

    ``lock`` names environments whose policies are held until the commit; only these are given then.
    """
    if lock:
        rows = governed.rows(Policy, lock="update", project=project_key, environment=lock)
    else:
        rows = governed.rows(Policy, project=project_key)
    places = governed.rows(Environment, project=project_key, status="active")
    protected = {str(place.key): bool(place.protected) for place in places}
    return {
        str(row.environment): to_view(row, protected=protected[str(row.environment)])
        for row in rows
        if str(row.environment) in protected
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """One policy of a reference in the log (``pol_x@3``), and where it holds; empty where there is no such policy."""

    ref: str
    version: str
    project: str = ""
    environment: str = ""


def referred(refs: str) -> list[Referred]:
    """The policies of a reference, which joins them by ``+``, in its order."""
    named = [(one, *one.partition("@")[::2]) for one in refs.split("+") if one]
    known = {row.pk: row for row in Policy.objects.filter(pk__in=[id for _, id, _ in named])}
    return [
        Referred(ref=ref, version=version, project=str(row.project), environment=str(row.environment))
        if (row := known.get(id))
        else Referred(ref=ref, version=version)
        for ref, id, version in named
    ]


def name_group(group: str) -> bool:
    """Whether a policy in force somewhere names this group (an id) as one whose members approve."""
    return bool(group) and Policy.objects.filter(content__contains=json.dumps(group)).exists()


def projects_asking_owners() -> set[str]:
    """Keys of the projects in which some policy lets a flag's owner approve its changes, as such."""
    rows = Policy.objects.filter(content__contains='"owner":true')
    return {str(key) for key in rows.values_list("project", flat=True)}


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
