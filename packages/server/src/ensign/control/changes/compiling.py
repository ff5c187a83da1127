"""From operations to rows: validated, canonical, staged; the same way for a pre-flight and for the apply itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ensign.control.audit.staging import Staged
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation, operation_types
from ensign.control.changes.domain.classing import FlagClassify, classified, of_info
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate, VariantsSet
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.settings_operations import PolicySet, SegmentSet
from ensign.control.changes.domain.world import Ref, World
from ensign.control.changes.loading import Loaded, load, load_for, reached
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.surroundings import check
from ensign.control.flags.targeting import stage_config as stage_flag
from ensign.control.flags.targeting import stage_info, with_classes
from ensign.control.kernel import ids
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects.checking import check_rules
from ensign.control.projects.domain import ApprovedChange, PolicyRules
from ensign.control.projects.knowing import unmeetable
from ensign.control.projects.models import Policy
from ensign.control.projects.targeting import stage_policy, stage_protection
from ensign.control.segments import validation as segment_rules
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.targeting import stage_config as stage_segment
from ensign.control.segments.targeting import stage_mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Staged rows, and the contents that publishing lays over what is stored."""

    staged: tuple[Staged, ...]
    configs: Mapping[str, FlagConfig] = field(default_factory=dict)
    infos: Mapping[str, FlagInfo] = field(default_factory=dict)
    segments: Mapping[str, SegmentConfig] = field(default_factory=dict)

    @property
    def publishes(self) -> bool:
        """Whether an application sees anything of it."""
        return bool(self.configs or self.infos or self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Operations in their canonical form, what they meet, what comes of them, and what an approval is about."""

    operations: tuple[Operation, ...]
    before: World
    after: World
    base: Mapping[str, int]
    digest: str
    warnings: tuple[str, ...]


def stage_rows(
    *, before: Loaded, after: World, operations: Sequence[Operation], approved: ApprovedChange, at: datetime
) -> Rows:
    """The next version of every row that differs. Call it inside the write door, with everything locked.

    :raises Invalid: when what comes of it may not be written. :raises Conflict: see the targeting modules.
    """
    refs = sorted(algebra.touched(after.environment, operations))
    configs = {r.key: after.configs[r.key] for r in refs if r.kind == "config"}
    segments = {
        r.key: SegmentConfig(constraints=after.segments[r.key]) for r in refs if r.kind == "segment" and r.environment
    }
    project, environment = after.project, after.environment
    staged: list[Staged] = []
    infos: dict[str, FlagInfo] = {}
    for key, segment in segments.items():
        row = stage_segment(
            segment_key=key, config=segment, project=project, environment=environment, approved=approved, at=at
        )
        segments[key] = SegmentConfig.from_state(json.loads(row.content))
        staged.append(row)
    made: dict[str, FlagConfig] = {}
    for key, config in configs.items():
        row = stage_flag(
            flag_key=key,
            config=config,
            together=configs,
            segments=segments.keys(),
            project=project,
            environment=environment,
            approved=approved,
            at=at,
            about=before.about(key),
        )
        made[key] = FlagConfig.from_state(json.loads(row.content))
        staged.append(row)
    for ref in refs:
        if ref.kind == "flag":
            old, new = before.world.flags[ref.key], after.flags[ref.key]
            row, info = stage_info(
                flag_key=ref.key,
                approved=approved,
                archived=new.archived,
                impression_data=new.impression_data,
                classes=new,
            )
            staged.append(row)
            # What policies and roles go by reaches no application.
            if (old.archived, old.impression_data) != (new.archived, new.impression_data):
                infos[ref.key] = info
    staged += [
        stage_mapped(segment_key=ref.key, project=project, mapped=ref.key in after.mapped, approved=approved)
        for ref in refs
        if ref.kind == "segment" and not ref.environment
    ]
    staged += _settings(refs, before.world, after, approved, at)
    return Rows(staged=tuple(staged), configs=made, infos=infos, segments=segments)


def _settings(refs: Sequence[Ref], before: World, after: World, approved: ApprovedChange, at: datetime) -> list[Staged]:
    """Rows of protection and policy. Protection may stage the policy, too; a policy set in the same change wins."""
    staged: list[Staged] = []
    project, environment = after.project, after.environment
    if before.protected is not after.protected:
        staged += stage_protection(
            project=project, environment=environment, protected=after.protected, approved=approved, at=at
        )
    if any(ref.kind == "policy" for ref in refs) and after.policy is not None and after.policy != before.policy:
        staged = [row for row in staged if row.model is not Policy]
        staged.append(
            stage_policy(project=project, environment=environment, rules=after.policy, approved=approved, at=at)
        )
    return staged


def compile_operations(*, project: str, environment: str, operations: Sequence[Operation], at: datetime) -> Compiled:
    """Bring operations into the one form that is reviewed and applied, and check that they could apply now.

    :raises Invalid: naming what is wrong. :raises NotFound, Conflict: when something is missing or archived.
    """
    named = [_with_id(operation, at=at) for operation in operations]
    loaded = load_for(project=project, environment=environment, operations=named)
    after = algebra.apply_all(loaded.world, named)
    canonical = _canonical(loaded, after, named)
    if canonical != tuple(named):
        loaded = load_for(project=project, environment=environment, operations=canonical)
        after = algebra.apply_all(loaded.world, canonical)
    if canonical and after == loaded.world and not any(isinstance(step, RampPlan) for step in canonical):
        raise Invalid("This would change nothing: everything is like that already.", code="no-change")
    _preflight(loaded, after, canonical, at=at)
    digest = change_digest(project=project, environment=environment, operations=canonical, base=loaded.versions)
    return Compiled(
        operations=canonical,
        before=loaded.world,
        after=after,
        base=loaded.versions,
        digest=digest,
        warnings=_warnings(loaded, after, canonical, at=at),
    )


def _with_id(operation: Operation, *, at: datetime) -> Operation:
    if isinstance(operation, StrategyAdd) and not operation.strategy.id:
        return replace(operation, strategy=replace(operation.strategy, id=ids.new_id("str", at=at)))
    return operation


def _canonical(loaded: Loaded, after: World, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations, with those on a flag or segment replaced where its canonical content differs from theirs.

    So that what is approved is, to the byte, what will be stored.
    """
    touched = algebra.touched(after.environment, operations)
    configs = {ref.key: after.configs[ref.key] for ref in touched if ref.kind == "config"}
    new_segments = [ref.key for ref in touched if ref.kind == "segment" and ref.environment]
    result = [
        replace(o, constraints=segment_rules.check_config(SegmentConfig(constraints=o.constraints)).constraints)
        if isinstance(o, SegmentSet)
        else settled(o, loaded.world)
        for o in operations
    ]
    for key in sorted(configs):
        if after.info(key).archived:
            continue
        made = check(
            configs[key],
            flag_key=key,
            environment=after.environment,
            together=configs,
            segments=new_segments,
            about=loaded.about(key),
        ).config
        if made == configs[key]:
            continue
        result = [_in_form(o, key, made) for o in result]
        if algebra.apply_all(loaded.world, result).configs[key] != made:
            steps = algebra.between(key, loaded.world.configs[key], made)
            place = next(i for i, o in enumerate(result) if _is_on_config(o, key))
            rest = [o for o in result[place:] if not _is_on_config(o, key)]
            # What a plan does now is among the steps; that it goes on is not, so that it stays, last.
            ramps = [o for o in result[place:] if isinstance(o, RampPlan) and o.flag == key]
            result = [*result[:place], *steps, *ramps, *rest]
    return tuple(result)


def settled(operation: Operation, world: World) -> Operation:
    """A policy or a flag's classes in the one form in which they are stored."""
    if isinstance(operation, PolicySet):
        _require_operations(operation.rules)
        return replace(operation, rules=check_rules(operation.rules, protected=world.protected))
    if isinstance(operation, FlagClassify) and operation.flag in world.flags:
        info = world.flags[operation.flag]
        return of_info(with_classes(info, classified(info, operation)))
    return operation


def _require_operations(rules: PolicyRules) -> None:
    known = operation_types()
    for place, rule in enumerate(rules.rules):
        if any(name not in known for name in rule.when.operations):
            said = f"Choose among {', '.join(sorted(known))}."
            raise Invalid("There is no such operation.", fields={f"rules[{place}].when.operations": said})


def _in_form(operation: Operation, key: str, made: FlagConfig) -> Operation:
    """The operation with its strategy or variants in the canonical form that they have in ``made``."""
    if isinstance(operation, StrategyAdd | StrategyUpdate) and operation.flag == key:
        form = next((s for s in made.strategies if s.id == operation.strategy.id), operation.strategy)
        return replace(operation, strategy=form)
    if isinstance(operation, VariantsSet) and operation.flag == key:
        return replace(operation, variants=made.variants)
    return operation


def _is_on_config(operation: Operation, key: str) -> bool:
    return getattr(operation, "flag", None) == key and operation.reach == "environment"


def _preflight(loaded: Loaded, after: World, operations: Sequence[Operation], *, at: datetime) -> None:
    """Stage everything and throw it away: what would fail at the apply fails now, with the same words."""
    world = loaded.world
    # Everything is locked first and in the order of an apply, so that a pre-flight and an apply never wait in a circle.
    refs = [Ref.parse(name) for name in loaded.versions]
    locked = load(project=world.project, environment=world.environment, refs=refs, lock=True)
    if locked.versions != loaded.versions:
        raise Conflict("Somebody else changed this at the same moment.", remedy="Try again.", code="version-conflict")
    keys = reached(project=world.project, environment=world.environment, operations=operations)
    trial = ApprovedChange(change="preflight", digest="", project=world.project, environments=frozenset(keys))
    stage_rows(before=locked, after=after, operations=operations, approved=trial, at=at)


def _warnings(loaded: Loaded, after: World, operations: Sequence[Operation], *, at: datetime) -> tuple[str, ...]:
    """What a person should know before this reaches every SDK: lists that look like personal data; what a
    policy asks for that nobody could give.
    """
    found: list[str] = []
    for ref in sorted(algebra.touched(after.environment, operations)):
        if ref.kind == "config" and not after.flags[ref.key].archived:
            checked = check(
                after.configs[ref.key],
                flag_key=ref.key,
                environment=after.environment,
                together=after.configs,
                segments=after.segments.keys(),
                about=loaded.about(ref.key),
            )
            found += [f"{ref.key}, {caution.field}: {caution.message}" for caution in checked.warnings]
        elif ref.kind == "policy" and after.policy is not None:
            place = {"project": after.project, "environment": after.environment}
            found += unmeetable(after.policy, at=at, **place)
        elif ref.kind == "segment" and ref.environment:
            cautions = segment_rules.warnings(after.segments[ref.key], path="constraints")
            found += [f"segment {ref.key}, {caution.field}: {caution.message}" for caution in cautions]
    return tuple(found)
