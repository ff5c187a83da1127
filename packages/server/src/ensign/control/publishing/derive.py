"""What a ruleset must be, derived from the governed rows alone: for first publications and `ensign ledger verify`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.publishing import wire
from ensign.control.publishing.snapshot import Feature, Snapshot
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.models import Segment, SegmentEnvironment


def rederive(project: str, environment: str) -> Snapshot:
    """The ruleset of one environment from its flags and segments: every configured flag that is not archived."""
    infos = {str(row.key): flags.to_flag(row).info for row in Flag.objects.filter(project=project, archived=False)}
    rows = FlagEnvironment.objects.filter(project=project, environment=environment)
    configs = {str(row.flag): flags.to_config(row).config for row in rows if row.flag in infos}
    ids = segment_ids(project, configs.values())
    features = {key: Feature.of(wire.feature(infos[key], configs[key], segment_ids=ids)) for key in sorted(configs)}
    wanted = {id for feature in features.values() for id in feature.segments}
    return Snapshot(features=features, segments=segment_texts(project, environment, wanted))


def segment_ids(project: str, configs: Iterable[FlagConfig]) -> dict[str, int]:
    """Key -> wire id of every segment that these contents refer to."""
    keys = {key for config in configs for strategy in config.strategies for key in strategy.segments}
    if not keys:
        return {}
    rows = Segment.objects.filter(project=project, key__in=keys).values_list("key", "wire_id")
    return {str(key): int(wire_id) for key, wire_id in rows}


def segment_texts(
    project: str, environment: str, ids: set[int], *, staged: Mapping[str, SegmentConfig] | None = None
) -> dict[int, str]:
    """Wire id -> canonical text of these segments in one environment, in order of id; ``staged`` ones count as written.

    A segment that is not defined there is left out; validation has kept it from being referred to.
    """
    if not ids:
        return {}
    keys = {
        str(key): int(id)
        for key, id in Segment.objects.filter(project=project, wire_id__in=ids).values_list("key", "wire_id")
    }
    configs = {
        str(row.segment): SegmentConfig.from_state(row.state)
        for row in SegmentEnvironment.objects.filter(project=project, environment=environment, segment__in=keys)
    } | {key: config for key, config in (staged or {}).items() if key in keys}
    texts = {
        keys[key]: wire.text(wire.segment(wire_id=keys[key], key=key, constraints=config.constraints))
        for key, config in configs.items()
    }
    return dict(sorted(texts.items()))
