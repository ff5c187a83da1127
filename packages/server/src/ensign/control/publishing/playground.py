"""What applications get: evaluating the published ruleset of an environment for a context, with reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ensign_engine import Explanation
from ensign_engine import Ruleset as EngineRuleset

from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import queries as projects
from ensign.control.publishing import derive, wire
from ensign.control.publishing.models import Ruleset
from ensign.control.publishing.operations import ruleset_id
from ensign.control.publishing.snapshot import segments_of
from ensign.control.segments.domain import SegmentConfig

FIELDS = ("userId", "sessionId", "remoteAddress", "appName", "currentTime")
MAX_PROPERTIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One flag's answer, with why."""

    flag: str
    enabled: bool
    variant: str
    payload: str
    reason: str


def ruleset(project: str, environment: str) -> EngineRuleset:
    """The published ruleset of an environment, compiled; empty while nothing was published.

    :raises NotFound: when there is no such environment.
    """
    place = projects.environment(project, environment)
    content = Ruleset.objects.filter(pk=ruleset_id(place.id)).values_list("content", flat=True).first()
    if content is None:
        return EngineRuleset.empty(static_context={"environment": environment})
    # The stored body has `features` and `segments`; the engine ignores the rest of it.
    return EngineRuleset.parse(content, static_context={"environment": environment})


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What an environment's applications have: the wire's flags and segments, and their revision `epoch.number`."""

    revision: str
    features: list[dict[str, object]]
    segments: list[dict[str, object]]


def published(project: str, environment: str) -> Published:
    """The published ruleset of an environment as it is; the revision is empty while nothing was published.

    :raises NotFound: when there is no such environment.
    """
    place = projects.environment(project, environment)
    content = Ruleset.objects.filter(pk=ruleset_id(place.id)).values_list("content", flat=True).first()
    if content is None:
        return Published(revision="", features=[], segments=[])
    body = json.loads(content)
    revision = f"{body['epoch']}.{body['number']}"
    return Published(revision=revision, features=body["features"], segments=body["segments"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """Rules that were never published: the published ones with other contents; ``segments``: which each flag uses."""

    rules: EngineRuleset
    segments: Mapping[str, frozenset[str]]


def overlaid(
    project: str,
    environment: str,
    *,
    flags: Mapping[str, tuple[FlagInfo, FlagConfig]],
    segments: Mapping[str, SegmentConfig],
) -> Overlaid:
    """The published ruleset of an environment as it would be with these contents. Nothing is written.

    :raises NotFound: when there is no such environment.
    """
    body = published(project, environment)
    features = {str(feature["name"]): feature for feature in body.features}
    ids = derive.segment_ids(project, [config for _, config in flags.values()])
    for key, (info, config) in flags.items():
        if info.archived:
            features.pop(key, None)
        else:
            features[key] = wire.feature(info, config, segment_ids=ids)
    names = {int(str(one["id"])): one for one in body.segments}
    wanted = set(ids.values()) | names.keys()
    for id_, text in derive.segment_texts(project, environment, wanted, staged=segments).items():
        names[id_] = json.loads(text)
    content = json.dumps({"version": 2, "features": list(features.values()), "segments": list(names.values())})
    return Overlaid(
        rules=EngineRuleset.parse(content, static_context={"environment": environment}),
        segments={
            key: frozenset(str(names[id_]["name"]) for id_ in segments_of(feature) if id_ in names)
            for key, feature in features.items()
        },
    )


def answer(rules: EngineRuleset, flag: str, context: Mapping[str, object]) -> Answer:
    """One flag's answer for one context; a flag that the rules lack is off."""
    return _answer(rules.explain(flag, context))


def properties(text: str) -> dict[str, str]:
    """``name=value`` lines as properties.

    :raises Invalid: naming the line that is none.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            message = f"Line {number} is not of the form name=value."
            raise Invalid("The properties cannot be read.", fields={"properties": message})
        found[name.strip()] = value.strip()
    if len(found) > MAX_PROPERTIES:
        message = f"At most {MAX_PROPERTIES} fit."
        raise Invalid("There are too many properties.", fields={"properties": message})
    return found


def context(given: Mapping[str, str], more: Mapping[str, str]) -> dict[str, object]:
    """A context of the engine from texts; empty ones are absent."""
    made: dict[str, object] = {name: value for name in FIELDS if (value := given.get(name, "").strip())}
    if more:
        made["properties"] = dict(more)
    return made


def evaluate_all(rules: EngineRuleset, context: Mapping[str, object]) -> list[Answer]:
    """The answers for all flags of a ruleset, by key."""
    return [_answer(rules.explain(name, context)) for name in sorted(rules.names())]


def explain(rules: EngineRuleset, flag: str, context: Mapping[str, object]) -> Explanation:
    """Why one flag is on or off, part by part."""
    return rules.explain(flag, context)


def _answer(explanation: Explanation) -> Answer:
    payload = explanation.variant.payload
    return Answer(
        flag=explanation.name,
        enabled=explanation.enabled,
        variant=explanation.variant.name if explanation.variant.enabled else "",
        payload="" if payload is None else str(payload.get("value", ""))[:200],
        reason=explanation.reason,
    )
