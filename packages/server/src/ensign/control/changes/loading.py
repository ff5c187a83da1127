"""Reading, and locking, what a change set touches and references; and the policy that it must meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import entitled as holds
from ensign.control.access.decisions import standing_of
from ensign.control.access.domain import FlagFacts, Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import checkpoints
from ensign.control.audit.rows import Lock, rows
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.domain.signing import NO_KEYS, Key, Signing
from ensign.control.changes.domain.trust import Judges
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.changes.leaning import facts_between
from ensign.control.changes.rights import CLASSIFY, apply_scopes, facts_of, flags_of
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.flags.surroundings import About
from ensign.control.identity import queries as identity
from ensign.control.identity.approval_keys import queries as approval_keys
from ensign.control.kernel.actor import Actor
from ensign.control.projects import policies
from ensign.control.projects import queries as projects
from ensign.control.projects.demands import ChangeFacts, Who, joined
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.knowing import names_of
from ensign.control.projects.models import Environment, Policy
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.models import Segment, SegmentEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The values of some objects, and the version of each by its name (0: not there yet).

    ``stickiness`` is the project's default one; ``locked`` the flags' rows in the environment, when they were locked.
    """

    world: World
    versions: dict[str, int]
    stickiness: str
    locked: Mapping[str, FlagEnvironment]

    def about(self, flag: str) -> About | None:
        """What is checked against was read already; None when there is no such flag."""
        info = self.world.flags.get(flag)
        return None if info is None else About(info=info, stickiness=self.stickiness, row=self.locked.get(flag))


def load(*, project: str, environment: str, refs: Collection[Ref], lock: bool = False) -> Loaded:
    """Read ``refs``; with ``lock`` hold them until the commit, always in the same order, against every other apply.

    A flag or segment that has no content in the environment yet is locked by its shared row.
    """
    flags = {ref.key for ref in refs if ref.kind in {"flag", "config"}}
    segments = {ref.key for ref in refs if ref.kind == "segment"}
    configured = {ref.environment for ref in refs if ref.kind == "config"} | {environment}
    held: Lock | None = "update" if lock else None
    rules = rows(Policy, lock=held, project=project, environment=environment)
    place = rows(Environment, lock=held, project=project, key=environment, status="active")
    flag_rows = rows(Flag, lock=held, project=project, key=flags)
    config_rows = rows(FlagEnvironment, lock=held, project=project, environment=configured, flag=flags)
    segment_rows = rows(Segment, lock=held, project=project, key=segments)
    content_rows = rows(SegmentEnvironment, lock=held, project=project, environment=environment, segment=segments)
    infos = {str(row.key): FlagInfo.from_state(row.state) for row in flag_rows}
    here = {str(row.flag): FlagConfig.from_state(row.state) for row in config_rows if row.environment == environment}
    contents = {str(row.segment): SegmentConfig.from_state(row.state).constraints for row in content_rows}
    known = {
        **{f"flag:/{row.key}": row.version for row in flag_rows},
        **{f"config:{row.environment}/{row.flag}": row.version for row in config_rows},
        **{f"segment:/{row.key}": row.version for row in segment_rows},
        **{f"segment:{environment}/{row.segment}": row.version for row in content_rows},
        **{f"environment:{environment}/": row.version for row in place},
        **{f"policy:{environment}/": row.version for row in rules},
    }
    return Loaded(
        world=World(
            project=project,
            environment=environment,
            flags=infos,
            configs={key: here.get(key, FlagConfig()) for key in infos},
            segments={str(row.key): contents.get(str(row.key), ()) for row in segment_rows},
            mapped=frozenset(str(row.key) for row in segment_rows if row.state.get("mapped")),
            policy=replace(PolicyRules.from_state(rules[0].state), enforced_since="") if rules else None,
            protected=bool(place and place[0].protected),
        ),
        versions={ref.name: known.get(ref.name, 0) for ref in refs},
        stickiness=projects.project(project).default_stickiness,
        locked={str(row.flag): row for row in config_rows if lock and row.environment == environment},
    )


def references(*, after: World, operations: Sequence[Operation]) -> frozenset[Ref]:
    """Every object that the operations touch or reference, given the state after them.

    What archives or revives a flag references its content in every environment: that is what appears or goes.
    """
    found = algebra.touched(after.environment, operations) | algebra.referenced(after, operations)
    shared = {getattr(o, "flag", "") for o in operations if o.type in {"flag.archive", "flag.revive"}}
    if shared:
        keys = [e.key for e in projects.environments(after.project)]
        found |= {Ref("config", key, flag) for key in keys for flag in shared}
    return found


def load_for(*, project: str, environment: str, operations: Sequence[Operation]) -> Loaded:
    """What ``operations`` touch, and all that the result references, however deep; nothing is locked.

    :raises OperationError: when they cannot be applied to the state as it is.
    """
    refs: frozenset[Ref] = algebra.touched(environment, operations)
    while True:
        loaded = load(project=project, environment=environment, refs=refs)
        wanted = references(after=algebra.apply_all(loaded.world, operations), operations=operations)
        if wanted <= refs:
            return replace(loaded, versions={ref.name: loaded.versions[ref.name] for ref in wanted})
        refs |= wanted


def reached(*, project: str, environment: str, operations: Sequence[Operation]) -> tuple[str, ...]:
    """Keys of the environments in which the operations have effect."""
    if algebra.reaches_project(operations):
        return tuple(e.key for e in projects.environments(project))
    return (environment,)


def joined_policy(found: Sequence[policies.PolicyView], facts: ChangeFacts | None) -> PolicyInForce:
    """The join of the policies of all environments that a change reaches, bound to the version of each of them."""
    demand = joined(view.rules.demand(facts) for view in found)
    bare = [view for view in found if view.protected and view.rules.demand(facts).required == 0]
    return PolicyInForce(
        ref="+".join(sorted(f"{view.id}@{view.version}" for view in found)),
        demand=demand,
        protected=any(view.protected for view in found),
        compensated=bool(bare) and all(view.compensating_control for view in bare),
        apply_on_last_approval=all(view.apply_on_last_approval for view in found),
        environments=tuple(view.environment for view in found),
        freezes=tuple(freeze for view in found for freeze in view.rules.freezes),
        request_days=min(view.rules.request_days for view in found),
        delay_hours=max(view.rules.delay_hours for view in found),
        names=names_of(demand),
    )


def policy_of(
    found: Sequence[policies.PolicyView], before: World, after: World, operations: Sequence[Operation], *, at: datetime
) -> PolicyInForce:
    """What a change from ``before`` to ``after`` must meet; its facts are read only where some rule asks for them."""
    conditional = any(view.rules.conditional for view in found)
    return joined_policy(found, facts_between(before, after, operations, at=at) if conditional else None)


def policy_for(request: ChangeRequest, *, at: datetime) -> PolicyInForce:
    """What a request must meet as things stand; nothing is locked. What cannot be applied must meet the most."""
    place = {"project": request.project, "environment": request.environment}
    found = policies.policies_of(request.project, reached(operations=request.operations, **place))
    if not any(view.rules.conditional for view in found):
        return joined_policy(found, None)
    return joined_policy(found, facts_now(request, at=at))


def facts_now(request: ChangeRequest, *, at: datetime) -> ChangeFacts | None:
    """What conditions ask about a request, on the state as it is; None when it cannot be applied to that."""
    try:
        before = load_for(project=request.project, environment=request.environment, operations=request.operations).world
        return facts_between(before, algebra.apply_all(before, request.operations), request.operations, at=at)
    except OperationError:
        return None


def entitlement(
    *, project: str, environments: Sequence[str], facts: Collection[FlagFacts | None], at: datetime
) -> Callable[[str], bool]:
    """Whether somebody may approve in all of ``environments``, being active, for all that is touched (``facts``): asked
    once for each person.
    """
    scopes = apply_scopes(project=project, environments=environments, facts=facts)
    known = dict[str, bool]()

    def entitled(person: str) -> bool:
        if person not in known:
            known[person] = holds(person, Permission.CHANGE_APPROVE, *scopes, at=at)
        return known[person]

    return entitled


def whois(scopes: Sequence[Scope], owned: Collection[str], *, at: datetime) -> Callable[[str], Who]:
    """What somebody is in all of ``scopes``, and whether they are, or belong to, every one of the ``owned``; read once
    for each person, and only when a policy asks.
    """
    known = dict[str, Who]()

    def who(person: str) -> Who:
        if person not in known:
            stands = standing_of(person, *scopes, at=at)
            mine = {person, *stands.groups}
            known[person] = Who(roles=stands.roles, groups=stands.groups, owner=mine.issuperset(owned))
        return known[person]

    return who


def _answers(owner: str) -> bool:
    """Whether a flag's owner is there to be asked: an active person, or a group that has members."""
    if owner.startswith("grp_"):
        return bool(identity.members_of(owner))
    return bool(owner) and identity.is_active(owner)


def judges(
    request: ChangeRequest,
    *,
    environments: Sequence[str],
    flags: Mapping[str, FlagInfo],
    at: datetime,
    keys: Collection[str] = (),
    lock: bool = False,
) -> Judges:
    """Who may approve a request, and what they are. ``flags`` as they are; ``keys`` (ids) and ``lock`` are those of
    :func:`signing_for`.

    What touches no flag has no owner to ask, and a flag without an active owner lets nobody through as such; only what
    classifies flags alone, which is how a flag gets an owner, is not held up by that.
    """
    facts = facts_of(flags, request.operations)
    owned = {flags[key].owner for key in flags_of(request.operations) if key is not None and key in flags}
    if request.operations and all(operation.type == CLASSIFY for operation in request.operations):
        owned = {id for id in owned if _answers(id)}
    place: dict[str, Any] = {"project": request.project, "environments": environments}
    scopes = apply_scopes(facts=facts, **place)
    return Judges(
        entitled=entitlement(facts=facts, at=at, **place),
        owners=owners(request),
        who=whois(scopes, owned, at=at),
        signing=signing_for(request, also=keys, lock=lock),
    )


def signing_for(request: ChangeRequest, *, also: Collection[str] = (), lock: bool = False) -> Signing:
    """What the request's signed approvals are judged against: the keys that they name and those in ``also`` (ids), held
    until the commit with ``lock``. Without a signature nothing is read, and no signature would hold.
    """
    named = {str(a.signature.get("key")) for a in request.approvals if a.signature is not None} | set(also)
    if not named:
        return NO_KEYS
    found = approval_keys.by_ids(named, lock="update" if lock else None)
    return Signing(
        log=checkpoints.head().origin,
        keys={
            id: Key(
                id=id, owner=view.owner, public_key=view.public_key, host=view.host, origin=view.origin,
                enrolled_at=view.enrolled_at, revoked_at=view.revoked_at,
            )
            for id, view in found.items()
        },
    )  # fmt: skip


def behind(actor: Actor) -> tuple[str, ...]:
    """Who stands behind the actor at this moment, besides themselves; kept, as owners and tokens come and go."""
    return tuple(sorted(identity.people_behind(actor.id, token_id=actor.token_id) - {actor.id}))


def owners(request: ChangeRequest) -> frozenset[str]:
    """The people who answer now for the service accounts among the authors; who did then is in ``request.behind``."""
    found = (identity.people_behind(id_) for id_ in request.authors if id_.startswith("svc_"))
    return frozenset[str]().union(*found)
