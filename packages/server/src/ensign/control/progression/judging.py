"""The gate: what a change to a higher environment must have been in a lower one. Registered with ``changes.gates``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.world import Ref, World
from ensign.control.changes.gates import Asked, Blocker, Past
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig
from ensign.control.progression import reading
from ensign.control.progression.domain import digest as digests
from ensign.control.progression.domain import judging
from ensign.control.progression.domain.exposure import exposed
from ensign.control.progression.domain.judging import Finding, Place
from ensign.control.progression.domain.periods import Period, as_of
from ensign.control.progression.domain.runs import Subject, evidence
from ensign.control.projects import queries as projects
from ensign.control.projects.demands import Demand

RULE = "CM-05"
#: The kill switch only switches off; an emergency change is reviewed afterwards.
_EXEMPT = frozenset({"standard", "break-glass"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Judges what one change touches, for the environment ``target``; reads what it needs when it is asked."""

    project: str
    target: str
    demand: Demand
    positions: Mapping[str, int]
    mapped: frozenset[str]
    at: datetime
    past: bool = False
    """Whether it judges a moment of the past, by what was known then."""

    def flag(self, key: str, before: World, after: World) -> Finding:
        """The finding on a flag; both worlds are of the target."""
        old, new = _content(before, key), _content(after, key)
        digest = "" if new is None else self._digest(new, after) or ""
        here = self._here(Subject(kind="flag", key=key)) if new is not None and exposed(new) else ()
        verdict = judging.flag_verdict(
            before=old,
            after=new,
            old=None if old is None else self._digest(old, before),
            new=digest,
            here=here,
            at=self.at,
        )
        return self._finding(Subject(kind="flag", key=key), digest, verdict)

    def segment(self, key: str, before: World, after: World) -> Finding:
        """The finding on a segment's content in the target."""
        subject = Subject(kind="segment", key=key)
        digest = digests.segment_digest(after.segments[key])
        verdict = judging.segment_verdict(
            used=self._used(key, after),
            old=digests.segment_digest(before.segments[key]),
            new=digest,
            here=self._here(subject),
            at=self.at,
        )
        return self._finding(subject, digest, verdict)

    def _digest(self, config: FlagConfig, world: World) -> str | None:
        """None when it uses a segment that was not read, which then is none of the other side's."""
        try:
            return digests.digest(config, world.segments, mapped=self.mapped)
        except KeyError:
            return None

    def _used(self, segment: str, after: World) -> bool:
        for row in flags.configs_naming(self.project, self.target, segment):
            config = after.configs.get(row.flag, row.config)
            if exposed(config) and any(segment in s.segments for s in config.strategies if not s.disabled):
                return True
        return any(
            exposed(config) and any(segment in s.segments for s in config.strategies if not s.disabled)
            for config in after.configs.values()
        )

    def _here(self, subject: Subject) -> tuple[Period, ...]:
        return self._periods(subject, self.target)

    def _periods(self, subject: Subject, environment: str) -> tuple[Period, ...]:
        found = reading.periods_of(
            subject,
            project=self.project,
            environment=environment,
            since=self.at - judging.look_back(self.demand),
            mapped_keys=self.mapped,
        )
        return as_of(found, before=self.at) if self.past else found

    def _finding(self, subject: Subject, digest: str, verdict: judging.Verdict) -> Finding:
        found = Finding(subject=subject, target=self.target, digest=digest, verdict=verdict)
        if verdict != "judged":
            return found
        places = tuple(
            Place(
                environment=one.environment,
                hours=one.hours,
                periods=self._periods(subject, one.environment) if one.environment in self.positions else None,
            )
            for one in self.demand.progression
        )
        lower = self._where_tested()
        runs = [
            run
            for run in reading.runs_of(subject, project=self.project, digest=digest)
            if run.environment in lower and not (self.past and run.reported_at > self.at)
        ]
        return replace(found, places=places, evidence=evidence(runs), asks_tests=self.demand.requires_tests)

    def _where_tested(self) -> frozenset[str]:
        """Where a test run counts: in the environments named, without any in all that come before the target."""
        named = frozenset(one.environment for one in self.demand.progression)
        before = (key for key, place in self.positions.items() if place < self.positions[self.target])
        return named or frozenset(before) or frozenset({self.target})


def _content(world: World, key: str) -> FlagConfig | None:
    info = world.flags.get(key)
    return None if info is None or info.archived else world.configs.get(key, FlagConfig())


def findings(asked: Asked, *, always: bool = False) -> tuple[Finding, ...]:
    """Every flag and segment that the change touches, judged in every environment where it counts.

    Without a policy that asks for it there are none, but with ``always``. Where the change reaches several
    environments, those count that come after one that the policy names: what is revived, say, comes back everywhere.
    """
    demand = asked.policy.demand
    if asked.mode in _EXEMPT or not (always or judging.demanded(demand)):
        return ()
    project = asked.request.project
    positions = {e.key: e.position for e in projects.environments(project)}
    mapped = reading.mapped(project)
    found: list[Finding] = []
    touched = sorted(algebra.touched(asked.after.environment, asked.request.operations))
    for target in _targets(asked, demand, positions):
        judge = _Judge(project=project, target=target, demand=demand, positions=positions, mapped=mapped, at=asked.at)
        found += _judged(judge, touched, asked)
    return tuple(found)


def _targets(asked: Asked, demand: Demand, positions: Mapping[str, int]) -> list[str]:
    reached = [key for key in asked.policy.environments or (asked.request.environment,) if key in positions]
    lowest = min((positions[p.environment] for p in demand.progression if p.environment in positions), default=-1)
    return [key for key in reached if len(reached) == 1 or positions[key] > lowest]


def _judged(judge: _Judge, touched: Sequence[Ref], asked: Asked) -> Iterator[Finding]:
    here = judge.target == asked.after.environment
    shared = [ref.key for ref in touched if ref.kind == "flag"]
    contents = [ref.key for ref in touched if ref.kind == "config"] if here else []
    before, after = (asked.before, asked.after) if here else _elsewhere(judge, shared, asked)
    for key in dict.fromkeys([*shared, *contents]):
        yield judge.flag(key, before, after)
    for ref in touched:
        if here and ref.kind == "segment" and ref.environment and ref.key not in judge.mapped:
            yield judge.segment(ref.key, before, after)


def _elsewhere(judge: _Judge, shared: Sequence[str], asked: Asked) -> tuple[World, World]:
    """Both sides in another environment than the request's: there only what all share differs."""
    configs = {key: flags.config(key, judge.target).config for key in shared}
    used = {key for config in configs.values() for s in config.strategies for key in s.segments}
    world = World(
        project=judge.project,
        environment=judge.target,
        configs=configs,
        segments=reading.contents(judge.project, judge.target, used),
    )
    return replace(world, flags=asked.before.flags), replace(world, flags=asked.after.flags)


def gate(asked: Asked) -> Sequence[Blocker]:
    """What is missing of progression and of tests. It blocks the apply alone: a review may go on meanwhile."""
    blockers: list[Blocker] = []
    for finding in findings(asked):
        for place in finding.missing(at=asked.at):
            message, remedy = judging.not_progressed(finding, place, at=asked.at)
            blockers.append(Blocker(code="not-progressed", message=message, remedy=remedy, rule=RULE))
        if finding.untested:
            message, remedy = judging.untested(finding)
            blockers.append(Blocker(code="untested", message=message, remedy=remedy, rule=RULE))
    return blockers


def historian(asked: Asked) -> Past:
    """What a change of the past would have lacked of progression and tests, by what had run and passed then.

    Segments cannot be judged afterwards: which flags used them then is not read; nor can what reached other
    environments, too. Which segments are environment-mapped is that of today.
    """
    demand, project = asked.policy.demand, asked.request.project
    positions = {e.key: e.position for e in projects.environments(project)}
    target = asked.after.environment
    touched = algebra.touched(target, asked.request.operations)
    whole = target in positions and not algebra.reaches_project(asked.request.operations)
    lacks: list[str] = []
    said = whole and not any(ref.kind == "segment" for ref in touched)
    judge = _Judge(
        project=project, target=target, demand=demand, positions=positions, mapped=reading.mapped(project),
        at=asked.at, past=True,
    )  # fmt: skip
    for key in sorted({ref.key for ref in touched if ref.kind == "config"}) if said else ():
        finding = judge.flag(key, asked.before, asked.after)
        said = said and (finding.verdict != "judged" or bool(finding.digest))
        lacks += [judging.lacked(key, place) for place in finding.missing(at=asked.at)]
        lacks += [f"a test run of {key} that passed"] if finding.untested else []
    return Past(lacks=tuple(lacks)) if said else Past(said=False)


#: An entry holds 64 KiB; what a finding says takes some 400 bytes.
MAX_FACTS = 60


def witness(asked: Asked) -> Mapping[str, Any]:
    """What let the change pass, for the entry that applies it: which configuration ran where since when, which tests.

    Of very many the first ones, judged ones before others; ``left_out`` says how many more there were.
    """
    found = sorted(findings(asked), key=lambda f: f.verdict != "judged")
    if not found:
        return {}
    facts = [judging.fact(finding, at=asked.at) for finding in found[:MAX_FACTS]]
    left = len(found) - len(facts)
    return {"progression": facts, **({"progression_left_out": left} if left else {})}
