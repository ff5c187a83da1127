"""States as they were: every version of a governed row is a document of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ensign.control.audit.models import Document, Governed, Touch
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import Ref, World
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel.errors import NotFound
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.models import Environment, Policy
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.models import Segment, SegmentEnvironment


def row_of(project: str, ref: Ref) -> Governed | None:
    """The governed row that ``ref`` names, or None when there is none yet."""
    place = {"project": project, "environment": ref.environment}
    match ref.kind:
        case "flag":
            return Flag.objects.filter(project=project, key=ref.key).first()
        case "config":
            return FlagEnvironment.objects.filter(flag=ref.key, **place).first()
        case "segment" if not ref.environment:
            return Segment.objects.filter(project=project, key=ref.key).first()
        case "segment":
            return SegmentEnvironment.objects.filter(segment=ref.key, **place).first()
        case "policy":
            return Policy.objects.filter(**place).first()
        case "environment":
            return Environment.objects.filter(project=project, key=ref.environment).first()
    raise ValueError(ref.kind)


def state_at(row: Governed, version: int) -> dict[str, Any]:
    """The row's state at ``version``.

    :raises NotFound: when it was redacted.
    """
    if row.version == version:
        return row.state
    after = Touch.objects.filter(object=row.object_name, version=version).values_list("after", flat=True).first()
    content = Document.objects.filter(pk=after).values_list("content", flat=True).first()
    if content is None:
        raise NotFound("The state of that time was redacted.", remedy="The log says by which entry.")
    state: dict[str, Any] = json.loads(content)
    state.pop("nonce", None)
    return state


def world_at(*, project: str, environment: str, versions: Mapping[str, int]) -> World:
    """The values of the named objects at those versions (0: before they had any content).

    The shared part of every flag in it that is not named is the present one, but not archived: only flags in use
    have content that changes.

    :raises NotFound: when one of them was redacted.
    """
    world = World(project=project, environment=environment)
    refs = {Ref.parse(name): version for name, version in versions.items()}
    world = replace(world, flags=_infos(project, {r.key for r in refs if r.kind in {"flag", "config"}}))
    for ref, version in refs.items():
        row = row_of(project, ref)
        state = None if version == 0 or row is None else state_at(row, version)
        world = _with(world, ref, state)
    return replace(world, configs={**{key: FlagConfig() for key in world.flags}, **world.configs})


def _infos(project: str, keys: Iterable[str]) -> dict[str, FlagInfo]:
    rows = Flag.objects.filter(project=project, key__in=set(keys))
    return {str(row.key): replace(FlagInfo.from_state(row.state), archived=False) for row in rows}


def _with(world: World, ref: Ref, state: Mapping[str, Any] | None) -> World:
    if ref.kind == "flag" and state is not None:
        return world.with_info(FlagInfo.from_state(state))
    if ref.kind == "config" and ref.environment == world.environment:
        return world.with_config(ref.key, FlagConfig() if state is None else FlagConfig.from_state(state))
    if ref.kind == "segment" and not ref.environment:
        mapped = world.mapped | {ref.key} if state is not None and state.get("mapped") else world.mapped
        return replace(world, mapped=mapped, segments={ref.key: (), **world.segments})
    if ref.kind == "segment":
        content = () if state is None else SegmentConfig.from_state(state).constraints
        return replace(world, segments={**world.segments, ref.key: content})
    if ref.kind == "policy" and state is not None:
        return replace(world, policy=replace(PolicyRules.from_state(state), enforced_since=""))
    if ref.kind == "environment" and state is not None:
        return replace(world, protected=state["protected"])
    return world


def before_applied(request: ChangeRequest) -> World:
    """The state that the request is, or was, based on."""
    return world_at(project=request.project, environment=request.environment, versions=request.base)
