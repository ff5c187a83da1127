"""Policies as code: what a file would change, what it would have decided differently, and proposing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ensign.control.access.decisions import held, standing_of
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.changes import actions, drafting, gates
from ensign.control.changes.compiling import settled
from ensign.control.changes.domain import algebra, backtest, policy_yaml
from ensign.control.changes.domain.backtest import Outcome, Then
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.domain.world import OperationError, World
from ensign.control.changes.gates import Asked
from ensign.control.changes.history import before_applied
from ensign.control.changes.leaning import Leaning, facts_between
from ensign.control.changes.models import Request
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.comparing import weakenings
from ensign.control.projects.demands import Demand, Who
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.knowing import require_known, spelled
from ensign.control.projects.policies import PolicyView, policies
from ensign.control.projects.policy_words import rows as different
from ensign.control.projects.presets import recognised

#: How far back a plan looks, and at how many changes at most.
DAYS = 90
MOST = 2_000
#: Of how many of them, the newest, it is read what had run and passed before: some ten queries for each flag.
MOST_RAN = 300
_ENDED = ("applied", "rejected", "withdrawn", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One change that would have been decided differently. ``lacks`` is what it would have lacked."""

    request: str
    title: str
    status: str
    at: datetime
    held: bool
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a file would change in one environment: in words, and what it would have decided over the last days.

    ``looked`` counts the changes applied or refused there; ``held_now`` and ``held_then`` those of the applied that
    the present policy and the proposed one would hold back; ``unsaid`` what cannot be said, with how often.
    ``left_out``: older ones within the time that were not looked at.
    """

    environment: str
    rows: tuple[tuple[str, str | None, str | None], ...]
    weakens: tuple[str, ...]
    looked: int
    held_now: int
    held_then: int
    differences: tuple[Difference, ...]
    unsaid: Mapping[str, int]
    left_out: int


def file_of(project: str) -> str:
    """The policies of a project as YAML, in the order of its environments.

    :raises NotFound: when there is no such project.
    """
    projects.project(project)
    found = policies(project)
    order = [row.key for row in projects.environments(project)]
    return policy_yaml.write(
        project, {key: found[key].rules for key in order}, names={g.id: g.name for g in identity.groups()}
    )


@operation
def export(*, actor: Actor, at: datetime, project: str) -> str:
    """:func:`file_of`, and the entry that says so.

    :raises Denied: without ``project:policy:read``.
    """
    held(actor, at=at).require(Permission.PROJECT_POLICY_READ, Scope(project))
    text = file_of(project)
    record(
        action=actions.POLICIES_EXPORTED, actor=actor, at=at, where=Where(project=project), detail={"format": "yaml"}
    )
    return text


def changed(project: str, text: str) -> dict[str, tuple[PolicyView, PolicyRules]]:
    """The environments in which a file asks for something else: the policy in force and the one that it asks for.

    :raises Invalid: naming the line and the member, also where it names what is not there.
    """
    groups = {group.name: group.id for group in identity.groups() if group.status == "active"}
    written = policy_yaml.read(text, groups=groups)
    if written.project != project:
        raise Invalid(
            f"The file is about the project {written.project[:100]}, not {project}.",
            fields={"project": f"Write {project}."},
        )
    projects.project(project)
    found = policies(project)
    wanted: dict[str, tuple[PolicyView, PolicyRules]] = {}
    for key, rules in written.policies.items():
        if key not in found:
            raise Invalid(
                f"There is no environment {key[:100]} in {project}.", fields={f"environments.{key}": "is not there"}
            )
        made = _settled(project, found[key], rules)
        if made != replace(found[key].rules, enforced_since=""):
            wanted[key] = (found[key], made)
    return wanted


def _settled(project: str, view: PolicyView, rules: PolicyRules) -> PolicyRules:
    """The canonical form, checked as it will be when it is proposed; errors name the environment."""
    world = World(project=project, environment=view.environment, protected=view.protected)
    # What the file flattened stands in the policy as before: both mean the same.
    present = replace(view.rules, enforced_since="")
    try:
        made = settled(PolicySet(rules=rules), world)
        assert isinstance(made, PolicySet)
        require_known(made.rules, project=project, environment=view.environment)
    except Invalid as error:
        fields = {f"environments.{view.environment}.{name}": text for name, text in error.fields.items()}
        raise Invalid(f"{view.environment}: {error.message}", remedy=error.remedy, fields=fields) from None
    if _flattened(made.rules) == _flattened(present):
        return present
    return replace(made.rules, preset=recognised(made.rules, protected=view.protected))


def _flattened(rules: PolicyRules) -> PolicyRules:
    always = rules.always
    return replace(rules, preset="", approvals=always.approvals, requires_reason=always.requires_reason, further=always)


def plan(*, actor: Actor, at: datetime, project: str, text: str) -> list[Plan]:
    """What a file would change, and what would have been decided differently over the last 90 days; writes nothing.

    :raises Denied: without ``project:policy:read``. :raises Invalid: as :func:`changed`.
    """
    held(actor, at=at).require(Permission.PROJECT_POLICY_READ, Scope(project))
    return [_plan(project, key, view, rules, at=at) for key, (view, rules) in changed(project, text).items()]


def _plan(project: str, key: str, view: PolicyView, rules: PolicyRules, *, at: datetime) -> Plan:
    ended, left_out = _ended(project, key, at=at)
    people = _people(project, key, at=at)
    worlds = any(_reads_states(one) for one in (view.rules, rules))
    leaning = Leaning(project=project, environment=key)
    names = {group.id: group.name for group in identity.groups()}
    held_now = held_then = 0
    found: list[Difference] = []
    unsaid: dict[str, int] = {}
    for place, request in enumerate(ended):
        here = request.environment == key and place < MOST_RAN
        then = _then(request, people=people, worlds=worlds, names=names, here=here, leaning=leaning)
        now, other = backtest.judged(view.rules, then), backtest.judged(rules, then)
        if request.status == "applied":
            held_now, held_then = held_now + now.held, held_then + other.held
            for one in other.unsaid:
                unsaid[one] = unsaid.get(one, 0) + 1
        if _differs(request, now, other, view.rules, rules, then):
            found.append(
                Difference(
                    request=request.id, title=request.title, status=request.status, at=then.at, held=other.held,
                    lacks=other.lacks or now.lacks,
                )
            )  # fmt: skip
    said = different(replace(view.rules, enforced_since=""), rules)
    sides = spelled(side or "" for row in said for side in row)
    rows = [
        (sides[3 * n], None if row[1] is None else sides[3 * n + 1], None if row[2] is None else sides[3 * n + 2])
        for n, row in enumerate(said)
    ]
    return Plan(
        environment=key,
        rows=tuple(rows),
        weakens=weakenings(view.rules, rules, at=at),
        looked=len(ended),
        held_now=held_now,
        held_then=held_then,
        differences=tuple(found),
        unsaid=unsaid,
        left_out=left_out,
    )


def _reads_states(rules: PolicyRules) -> bool:
    """Whether what it asks depends on the states around a change."""
    always = rules.always
    return rules.conditional or always.max_step is not None or bool(always.progression) or always.requires_tests


def _differs(
    request: ChangeRequest, now: Outcome, other: Outcome, old: PolicyRules, new: PolicyRules, then: Then
) -> bool:
    """Of what applied: whether one policy would have held it back and the other not. Of what was refused: whether it
    would not have needed anybody, or would now need somebody.
    """
    if request.status == "applied":
        return now.held != other.held
    return bool(old.demand(then.facts).required) != bool(new.demand(then.facts).required)


def _ended(project: str, environment: str, *, at: datetime) -> tuple[list[ChangeRequest], int]:
    """Requests that ended in the time, newest first, and how many more there are than are looked at."""
    since = at - timedelta(days=DAYS)
    rows = Request.objects.filter(project=project, status__in=_ENDED).order_by("-id")
    found: list[ChangeRequest] = []
    over = 0
    for row in rows.iterator():
        request = ChangeRequest.from_state(row.pk, row.state)
        reaches = request.environment == environment or algebra.reaches_project(request.operations)
        if not reaches or (request.applied_at or request.updated_at) < since:
            continue
        if len(found) < MOST:
            found.append(request)
        else:
            over += 1
    return found, over


def _people(project: str, environment: str, *, at: datetime) -> Callable[[str], Who]:
    known = dict[str, Who]()

    def who(person: str) -> Who:
        if person not in known:
            stands = standing_of(person, Scope(project, environment), at=at)
            known[person] = Who(roles=stands.roles, groups=stands.groups)
        return known[person]

    return who


def _then(
    request: ChangeRequest,
    *,
    people: Callable[[str], Who],
    worlds: bool,
    names: Mapping[str, str],
    here: bool,
    leaning: Leaning,
) -> Then:
    """``here``: what ran before it is read, too. ``leaning``: who leans on what *now*, as nobody kept who did then."""
    at = request.applied_at or request.updated_at
    before = after = facts = None
    if worlds:
        try:
            before = before_applied(request)
            after = algebra.apply_all(before, request.operations)
            facts = facts_between(before, after, request.operations, at=at, leaning=leaning)
        except (NotFound, OperationError):
            before = after = None
    owners = frozenset() if before is None else frozenset(info.owner for info in before.flags.values())

    def who(person: str) -> Who:
        known = people(person)
        return replace(known, owner=bool(owners) and owners <= {person, *known.groups})

    known = dict[Demand, tuple[str, ...] | None]()

    def ran(demand: Demand) -> tuple[str, ...] | None:
        if before is None or after is None or not here or request.status != "applied":
            return None
        if demand not in known:
            known[demand] = _lacked(request, demand, before, after, at=at)
        return known[demand]

    return Then(request=request, at=at, facts=facts, before=before, after=after, who=who, names=names, ran=ran)


def _lacked(
    request: ChangeRequest, demand: Demand, before: World, after: World, *, at: datetime
) -> tuple[str, ...] | None:
    policy = PolicyInForce(ref="", demand=demand, protected=False, environments=(request.environment,))
    mode = request.mode or "request"
    found = gates.lacked(
        Asked(request=request, policy=policy, before=before, after=after, mode=mode, at=at, phase="preview")
    )
    return found.lacks if found.said else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a file in one environment: the request, or why there is none."""

    environment: str
    request: str = ""
    status: str = ""
    refused: str = ""


def apply(
    *, actor: Actor, at: datetime, project: str, text: str, reason: str = "", tickets: Sequence[str] = ()
) -> list[Made]:
    """Propose what a file asks for: a change request for each environment that differs, in its order.

    Each is a transaction of its own. Where one is refused, those before it stay: the answer says which.

    :raises Denied: without ``project:policy:propose``. :raises Invalid: as :func:`changed`, before anything is written.
    """
    held(actor, at=at).require(Permission.PROJECT_POLICY_PROPOSE, Scope(project))
    made: list[Made] = []
    for key, (_view, rules) in changed(project, text).items():
        try:
            done = drafting.propose(
                actor=actor, at=at, project=project, environment=key, operations=(PolicySet(rules=rules),),
                title=f"Policy of {key} from a file", reason=reason, tickets=tickets,
            )  # fmt: skip
        except EnsignError as error:
            made.append(Made(environment=key, refused=f"{error.message} {error.remedy}".strip()))
        else:
            made.append(Made(environment=key, request=done.request.id, status=done.request.status))
    return made
