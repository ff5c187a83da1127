"""Hypothesis strategies: worlds, and operations that mostly fit them."""

from __future__ import annotations

from ensign.control.access.domain import TIERS
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.content_operations import (
    DependencyRemove,
    DependencySet,
    StrategyAdd,
    StrategyRemove,
    StrategyReorder,
    StrategyUpdate,
    VariantsSet,
)
from ensign.control.changes.domain.flag_operations import (
    FlagArchive,
    FlagDisable,
    FlagEnable,
    FlagRevive,
    FlagSetImpressions,
)
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.changes.domain.settings_operations import (
    EnvironmentProtect,
    EnvironmentUnprotect,
    PolicySet,
    SegmentMap,
    SegmentSet,
)
from ensign.control.changes.domain.world import World
from ensign.control.flags.domain import (
    Constraint,
    Dependency,
    FlagConfig,
    FlagInfo,
    Override,
    Payload,
    Strategy,
    Variant,
)
from ensign.control.projects.domain import PolicyRules
from hypothesis import strategies as st

from ensign_testkit.policies import demands, freezes, policy_rules

FLAGS = ("a", "b", "c")
SEGMENTS = ("s1", "s2")
IDS = ("str_1", "str_2", "str_3", "str_4")

text = st.text(alphabet="xyz, é", max_size=3)
constraints = st.lists(
    st.builds(
        Constraint,
        context_name=st.sampled_from(["country", "userId"]),
        operator=st.sampled_from(["IN", "STR_CONTAINS", "NUM_GT"]),
        values=st.lists(text, max_size=3).map(tuple),
        value=st.none() | text,
        inverted=st.booleans(),
        case_insensitive=st.booleans(),
    ),
    max_size=2,
).map(tuple)
overrides = st.lists(
    st.builds(Override, context_name=st.just("userId"), values=st.lists(text, max_size=2).map(tuple)), max_size=1
).map(tuple)
variants = st.lists(
    st.builds(
        Variant,
        name=st.sampled_from(["v1", "v2"]),
        weight=st.integers(0, 1000),
        weight_type=st.sampled_from(["variable", "fix"]),
        stickiness=st.sampled_from(["default", "userId"]),
        payload=st.none() | st.builds(Payload, type=st.just("string"), value=text),
        overrides=overrides,
    ),
    max_size=2,
).map(tuple)


def rules(ids: st.SearchStrategy[str]) -> st.SearchStrategy[Strategy]:
    """Strategies of flags with an id from ``ids``."""
    return st.builds(
        Strategy,
        id=ids,
        name=st.sampled_from(["flexibleRollout", "default", "userWithId"]),
        title=text,
        parameters=st.dictionaries(st.sampled_from(["rollout", "stickiness", "userIds"]), text, max_size=2),
        constraints=constraints,
        segments=st.lists(st.sampled_from(SEGMENTS), max_size=2).map(tuple),
        variants=variants,
        disabled=st.booleans(),
    )


dependencies = st.builds(
    Dependency, flag=st.sampled_from(FLAGS), enabled=st.booleans(), variants=st.lists(text, max_size=1).map(tuple)
)
configs = st.builds(
    FlagConfig,
    enabled=st.booleans(),
    strategies=st.lists(rules(st.sampled_from(IDS)), max_size=3, unique_by=lambda s: s.id).map(tuple),
    variants=variants,
    dependencies=st.lists(dependencies, max_size=2, unique_by=lambda d: d.flag).map(tuple),
)
policies = st.builds(
    PolicyRules,
    approvals=st.integers(0, 3),
    apply_on_last_approval=st.booleans(),
    requires_reason=st.booleans(),
    compensating_control=text,
    preset=st.sampled_from(["", "small-team"]),
    further=demands,
    rules=st.lists(policy_rules, max_size=2).map(tuple),
    freezes=st.lists(freezes, max_size=2).map(tuple),
    request_days=st.integers(1, 60),
    delay_hours=st.integers(0, 48),
)
worlds = st.builds(
    World,
    project=st.just("shop"),
    environment=st.just("production"),
    flags=st.fixed_dictionaries(
        {
            key: st.builds(
                FlagInfo,
                key=st.just(key),
                project=st.just("shop"),
                impression_data=st.booleans(),
                archived=st.booleans(),
                tier=st.sampled_from(TIERS),
            )
            for key in FLAGS
        }
    ),
    configs=st.fixed_dictionaries(dict.fromkeys(FLAGS, configs)),
    segments=st.fixed_dictionaries(dict.fromkeys(SEGMENTS, constraints)),
    mapped=st.frozensets(st.sampled_from(SEGMENTS)),
    policy=policies,
    protected=st.booleans(),
)

_flag = st.sampled_from(FLAGS)
#: Steps that rise, all but the last held for a while.
ramp_steps = st.lists(st.integers(1, 100), min_size=2, max_size=5, unique=True).map(
    lambda percents: tuple(
        RampStep(percent=percent, hold=0 if percent == max(percents) else 30) for percent in sorted(percents)
    )
)
_order = st.lists(st.sampled_from(IDS), max_size=3, unique=True).map(tuple)
_place = st.none() | st.integers(0, 4)
BY_TYPE: dict[type[Operation], st.SearchStrategy[Operation]] = {
    FlagEnable: st.builds(FlagEnable, flag=_flag),
    FlagDisable: st.builds(FlagDisable, flag=_flag),
    FlagArchive: st.builds(FlagArchive, flag=_flag),
    FlagRevive: st.builds(FlagRevive, flag=_flag),
    FlagSetImpressions: st.builds(FlagSetImpressions, flag=_flag, enabled=st.booleans()),
    StrategyAdd: st.builds(StrategyAdd, flag=_flag, strategy=rules(st.sampled_from(IDS)), position=_place),
    StrategyUpdate: st.builds(StrategyUpdate, flag=_flag, strategy=rules(st.sampled_from(IDS))),
    StrategyRemove: st.builds(StrategyRemove, flag=_flag, strategy=st.sampled_from(IDS)),
    StrategyReorder: st.builds(
        StrategyReorder, flag=_flag, order=st.lists(st.sampled_from(IDS), max_size=3, unique=True).map(tuple)
    ),
    VariantsSet: st.builds(VariantsSet, flag=_flag, variants=variants),
    DependencySet: st.builds(DependencySet, flag=_flag, dependency=dependencies, position=_place),
    DependencyRemove: st.builds(DependencyRemove, flag=_flag, parent=_flag),
    FlagClassify: st.builds(
        FlagClassify,
        flag=_flag,
        flag_type=st.sampled_from(["release", "permission"]),
        tags=st.lists(st.sampled_from(["payments", "web"]), max_size=2, unique=True).map(tuple),
        tier=st.sampled_from(TIERS),
        owner=st.sampled_from(["", "usr_1"]),
    ),
    RampPlan: st.builds(
        RampPlan,
        flag=_flag,
        strategy=st.sampled_from(IDS),
        steps=ramp_steps,
        guards=st.lists(st.sampled_from(["errors", "latency"]), max_size=2, unique=True).map(tuple),
        on_breach=st.sampled_from(["pause", "roll_back"]),
    ),
    SegmentSet: st.builds(SegmentSet, segment=st.sampled_from(SEGMENTS), constraints=constraints),
    SegmentMap: st.builds(SegmentMap, segment=st.sampled_from(SEGMENTS), mapped=st.booleans()),
    PolicySet: st.builds(PolicySet, rules=policies),
    EnvironmentProtect: st.builds(EnvironmentProtect),
    EnvironmentUnprotect: st.builds(EnvironmentUnprotect),
}
operations: st.SearchStrategy[Operation] = st.one_of(*BY_TYPE.values())
