"""Projects and flags for tests, and a shortcut past the write door of changes.

``put`` and ``put_segment`` do what ``changes`` does at apply (stage, publish, record, finish) with a forged approval,
so that flags and publishing are tested without changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import action
from ensign.control.audit.staging import Staged
from ensign.control.flags import targeting
from ensign.control.flags.domain import FlagConfig, FlagInfo, Strategy
from ensign.control.flags.operations import create_flag
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import ApprovedChange
from ensign.control.projects.operations import create_project
from ensign.control.publishing.operations import Publication, stage_publication
from ensign.control.segments import targeting as segment_targeting
from ensign.control.segments.domain import SegmentConfig

from ensign_testkit.people import SYSTEM, add_person

APPLIED = action("test.applied", "applied a change in a test")


def approval(project: str, *environments: str) -> ApprovedChange:
    """A forged approval for the given environments, or all of the project."""
    keys = environments or tuple(e.key for e in projects.environments(project))
    return ApprovedChange(change="crq_test", digest="0" * 64, project=project, environments=frozenset(keys))


def shop(*flags: str, preset: str = "small-team", project: str = "shop") -> Actor:
    """A project with flags, made by a new administrator who is a developer, too; returns them."""
    at = clock.now()
    anna = add_person(f"Anna {project}", "admin", "developer", at=at)
    create_project(
        actor=anna,
        at=at,
        key=project,
        name=project.title(),
        preset=preset,
        compensating_control="Every Friday the log is read with the customer." if preset == "solo" else "",
    )
    for key in flags:
        create_flag(actor=anna, at=at, project=project, key=key)
    return anna


def rollout(percent: int, **changes: Any) -> Strategy:
    """A gradual rollout with a fresh id."""
    strategy = Strategy(
        id=ids.new_id("str", at=clock.now()), name="flexibleRollout", parameters={"rollout": str(percent)}
    )
    return Strategy(**{**{name: getattr(strategy, name) for name in Strategy.__slots__}, **changes})


def put(
    configs: Mapping[str, FlagConfig],
    *,
    environment: str = "development",
    project: str = "shop",
    at: datetime | None = None,
) -> Publication:
    """Write flags' contents in one environment and publish them."""
    at = at or clock.now()
    with write_door():
        staged = [
            targeting.stage_config(
                flag_key=key,
                project=project,
                environment=environment,
                config=config,
                approved=approval(project, environment),
                at=at,
                together=configs,
            )
            for key, config in configs.items()
        ]
        contents = {row["flag"]: FlagConfig.from_state(row) for row in map(_state, staged)}
        publication = stage_publication(project=project, environment=environment, flags=contents)
        where = Where(project=project, environment=environment)
        rows, detail = [*staged, publication.staged], {"rulesets": [publication.fact]}
        done = record(action=APPLIED, actor=SYSTEM, at=at, staged=rows, where=where, detail=detail)
        publication.finish(seq=done.seq)
    return publication


def put_segment(
    key: str, config: SegmentConfig, *, environment: str = "development", project: str = "shop"
) -> Publication:
    """Write a segment's content in one environment and publish it."""
    at = clock.now()
    with write_door():
        staged = segment_targeting.stage_config(
            segment_key=key,
            project=project,
            environment=environment,
            config=config,
            approved=approval(project, environment),
            at=at,
        )
        contents = {key: SegmentConfig.from_state(_state(staged))}
        publication = stage_publication(project=project, environment=environment, segments=contents)
        where = Where(project=project, environment=environment)
        rows, detail = [staged, publication.staged], {"rulesets": [publication.fact]}
        done = record(action=APPLIED, actor=SYSTEM, at=at, staged=rows, where=where, detail=detail)
        publication.finish(seq=done.seq)
    return publication


def put_info(
    key: str, *, archived: bool | None = None, impression_data: bool | None = None, project: str = "shop"
) -> FlagInfo:
    """Archive, revive or change impression data, published in every environment in one entry."""
    at = clock.now()
    with write_door():
        staged, info = targeting.stage_info(
            flag_key=key, approved=approval(project), archived=archived, impression_data=impression_data
        )
        publications: list[Publication] = []
        for environment in projects.environments(project):
            previous = publications[-1] if publications else None
            publications.append(
                stage_publication(project=project, environment=environment.key, infos={key: info}, previous=previous)
            )
        rows = [staged, *(p.staged for p in publications)]
        detail, where = {"rulesets": [p.fact for p in publications]}, Where(project=project)
        done = record(action=APPLIED, actor=SYSTEM, at=at, staged=rows, where=where, detail=detail)
        for publication in publications:
            publication.finish(seq=done.seq)
    return info


def _state(staged: Staged) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(staged.content)
    return state
