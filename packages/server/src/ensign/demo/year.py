"""The lives of flags and segments over a year: rollouts in steps, experiments, switches, kills, tightened policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import DependencySet, StrategyAdd, StrategyUpdate
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.flags import operations as flags
from ensign.control.flags import queries as flag_queries
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig, Strategy
from ensign.control.incidents import operations as incidents
from ensign.control.segments import operations as segments
from ensign.demo import access, cast
from ensign.demo.cast import Piece
from ensign.demo.company import Company, join, leave
from ensign.demo.control import Control
from ensign.demo.issuing import Issuing
from ensign.demo.policies import Policies
from ensign.demo.practice import Practice
from ensign.demo.releases import Releases
from ensign.demo.requests import Requests
from ensign.demo.stage import Stage
from ensign.demo.story import Calendar
from ensign.demo.today import Today
from ensign.demo.weights import variants

STEPS = (5, 10, 25, 50, 75, 100)
MARKETS = (("SE", "NO"), ("SE", "NO", "DK", "FI"), ("DE", "AT", "CH"), ("NL", "BE"), ("GB", "IE"))


class Year:
    """Puts a year of acts into the calendar."""

    def __init__(self, company: Company, calendar: Calendar) -> None:
        self._company, self._calendar, self._rng = company, calendar, calendar.rng
        self.requests = Requests(company, calendar)
        self._days = (calendar.end - calendar.begin).days

    def plan(self) -> None:
        """People first, then segments, flags, and what interrupts them."""
        for player in cast.PLAYERS:
            self._calendar.on_day(player.joins + 0.4, partial(join, self._company, player))
            if player.leaves is not None:
                self._calendar.on_day(player.leaves, partial(leave, self._company, player))
        for row in cast.SEGMENTS:
            self._calendar.on_day(9, partial(self._segment, row))
        for piece in cast.FLAGS:
            latest = 30 if piece.shape in {"switch", "permission"} else self._days - 25
            day = 10 + self._rng.random() ** 1.3 * (latest - 10)
            self._calendar.on_day(day, partial(self._create, piece))
        access.plan(self._company, self._calendar)
        self._interruptions()
        Control(self._company, self._calendar, self.requests, self._live).plan()
        stage = Stage(self._company, self._calendar, self.requests)
        for scene in (Policies(stage), Practice(stage), Releases(stage), Issuing(stage)):
            scene.plan()
        Today(stage, self._live, self._turn).plan()

    def _developer(self, project: str) -> str:
        found = self._company.holders("developer", project)
        return self._rng.choice(found or [cast.FIRST.key])

    def _propose(
        self, project: str, environment: str, operations: Sequence[Operation], at: datetime, **more: object
    ) -> None:
        self.requests.propose(self._developer(project), at, project, environment, operations, **more)  # type: ignore[arg-type]  # handed on as they are

    def _smoothly(self, project: str, environment: str, operations: Sequence[Operation], at: datetime) -> None:
        self._propose(project, environment, operations, at, smooth=True)

    def _segment(self, row: tuple[str, str, str, str, str, str, tuple[str, ...]], at: datetime) -> None:
        project, key, name, description, field, operator, values = row
        actor = self._company.actor(self._developer(project), at=at)
        segments.create_segment(actor=actor, at=at, project=project, key=key, name=name, description=description)
        for number, environment in enumerate(("development", "staging", "production")):
            constraint = Constraint(context_name=field, operator=operator, values=values)
            steps = [SegmentSet(segment=key, constraints=(constraint,))]
            self._calendar.after(
                at,
                partial(self._smoothly, project, environment, steps),
                least=timedelta(hours=1 + 8 * number),
                most=timedelta(hours=6 + 24 * number),
            )

    def _create(self, piece: Piece, at: datetime) -> None:
        author = self._developer(piece.project)
        flags.create_flag(
            actor=self._company.actor(author, at=at),
            at=at,
            project=piece.project,
            key=piece.key,
            type=piece.type,
            description=piece.description,
            tags=piece.tags,
        )
        life = {"rollout": self._rollout, "experiment": self._experiment, "switch": self._switch}
        life.get(piece.shape, self._permission)(piece, at)

    def _config(self, key: str, environment: str) -> FlagConfig:
        return flag_queries.config(key, environment).config

    def _strategy(self, key: str, rollout: int, *, narrow: bool) -> Strategy:
        """A rollout, narrowed to markets or versions for some flags."""
        constraints: tuple[Constraint, ...] = ()
        if narrow:
            market = Constraint(context_name="country", operator="IN", values=self._rng.choice(MARKETS))
            version = Constraint(
                context_name="appVersion", operator="SEMVER_GT", value=f"{self._rng.randint(3, 8)}.0.0"
            )
            constraints = self._rng.choice(((market,), (version,), (market, version)))
        parameters = {"rollout": str(rollout), "stickiness": "default", "groupId": key}
        return Strategy(id="", name="flexibleRollout", parameters=parameters, constraints=constraints)

    def _rollout(self, piece: Piece, at: datetime) -> None:
        """Development at once, staging some days later, production in steps."""
        narrow = self._rng.random() < 0.35
        self._begin(piece, "development", 100, at, narrow=False)
        self._tinker(piece, "development", at, times=self._rng.randint(5, 11))

        def staging(t: datetime) -> None:
            self._begin(piece, "staging", 50, t, narrow=narrow)
            self._tinker(piece, "staging", t, times=self._rng.randint(4, 9))
            self._calendar.after(t, production, least=timedelta(days=2), most=timedelta(days=9))

        def production(t: datetime) -> None:
            self._begin(piece, "production", STEPS[0], t, narrow=narrow, then=lambda s: self._steps(piece, 1, s))

        self._calendar.after(at, staging, least=timedelta(days=1), most=timedelta(days=8))

    def _begin(
        self, piece: Piece, environment: str, rollout: int, at: datetime, *, narrow: bool, **more: object
    ) -> None:
        strategy = self._strategy(piece.key, rollout, narrow=narrow)
        steps = [StrategyAdd(flag=piece.key, strategy=strategy), FlagEnable(flag=piece.key)]
        self._propose(piece.project, environment, steps, at, **more)

    def _steps(self, piece: Piece, number: int, at: datetime) -> None:
        """The next step of a rollout; sometimes back again; the end of some is the archive."""

        def step(t: datetime) -> None:
            if not self._config(piece.key, "production").enabled:
                return
            done = self._turn(piece, "production", STEPS[number], t, then=lambda s: self._steps(piece, number + 1, s))
            if done is None and number < len(STEPS):
                self._calendar.after(t, step, least=timedelta(days=2), most=timedelta(days=5))

        if number < len(STEPS):
            self._calendar.after(at, step, least=timedelta(days=3), most=timedelta(days=11))
        elif self._rng.random() < 0.4:
            self._calendar.after(
                at, lambda t: self._archive(piece, t), least=timedelta(days=30), most=timedelta(days=70)
            )

    def _turn(self, piece: Piece, environment: str, rollout: int, at: datetime, **more: object) -> object:
        """Set the rollout of the first strategy."""
        config = self._config(piece.key, environment)
        strategy = next((s for s in config.strategies if s.name == "flexibleRollout"), None)
        if strategy is None or strategy.parameters["rollout"] == str(rollout):
            return None
        changed = replace(strategy, parameters={**strategy.parameters, "rollout": str(rollout)})
        return self.requests.propose(
            self._developer(piece.project), at, piece.project, environment,
            [StrategyUpdate(flag=piece.key, strategy=changed)], **more,  # type: ignore[arg-type]  # handed on as they are
        )  # fmt: skip

    def _tinker(self, piece: Piece, environment: str, at: datetime, *, times: int) -> None:
        """What developers do where nobody minds: off, on, other percentages, another rule."""

        def act(t: datetime) -> None:
            config = self._config(piece.key, environment)
            kind = self._rng.random()
            if kind < 0.4:
                flip = FlagDisable(flag=piece.key) if config.enabled else FlagEnable(flag=piece.key)
                self._propose(piece.project, environment, [flip], t)
            elif kind < 0.85 or len(config.strategies) > 2:
                self._turn(piece, environment, self._rng.choice((1, 10, 20, 25, 33, 50, 80, 100)), t)
            else:
                extra = self._strategy(piece.key, self._rng.choice((5, 20, 100)), narrow=True)
                self._propose(piece.project, environment, [StrategyAdd(flag=piece.key, strategy=extra)], t)

        for _ in range(times):
            self._calendar.after(at, act, least=timedelta(hours=1), most=timedelta(days=25))

    def _experiment(self, piece: Piece, at: datetime) -> None:
        """Variants with weights, which move as results come in."""
        names = ("control", "short", "long")[: self._rng.choice((2, 3))]
        for number, environment in enumerate(("development", "staging", "production")):
            self._calendar.after(
                at,
                partial(self._begin_experiment, piece, environment, names),
                least=timedelta(days=2 * number),
                most=timedelta(days=2 * number + 2),
            )
        for week in range(2, 8):
            self._calendar.after(
                at,
                partial(self._reweigh, piece, names),
                least=timedelta(weeks=week),
                most=timedelta(weeks=week, days=2),
            )

    def _begin_experiment(self, piece: Piece, environment: str, names: Sequence[str], at: datetime) -> None:
        strategy = replace(self._strategy(piece.key, 100, narrow=False), variants=variants(names, first=0))
        steps = [StrategyAdd(flag=piece.key, strategy=strategy), FlagEnable(flag=piece.key)]
        self._propose(piece.project, environment, steps, at)

    def _reweigh(self, piece: Piece, names: Sequence[str], at: datetime) -> None:
        config = self._config(piece.key, "production")
        if config.strategies:
            moved = replace(config.strategies[0], variants=variants(names, first=self._rng.choice((100, 300, 600))))
            self._propose(piece.project, "production", [StrategyUpdate(flag=piece.key, strategy=moved)], at)

    def _switch(self, piece: Piece, at: datetime) -> None:
        """On everywhere from its first week; then thrown now and then in the lower environments."""
        for number, environment in enumerate(("development", "staging", "production")):
            strategy = Strategy(id="", name="default")
            steps = [StrategyAdd(flag=piece.key, strategy=strategy), FlagEnable(flag=piece.key)]
            self._calendar.after(
                at,
                partial(self._smoothly, piece.project, environment, steps),
                least=timedelta(hours=4 * number),
                most=timedelta(hours=4 * number + 20),
            )
        for _ in range(self._rng.randint(14, 20)):
            day = 45 + self._rng.random() * (self._days - 46)
            where = self._rng.choice(("development", "staging"))
            self._calendar.on_day(day, partial(self._flip, piece, where))

    def _flip(self, piece: Piece, environment: str, at: datetime) -> None:
        enabled = self._config(piece.key, environment).enabled
        flip = FlagDisable(flag=piece.key) if enabled else FlagEnable(flag=piece.key)
        self._propose(piece.project, environment, [flip], at)

    def _permission(self, piece: Piece, at: datetime) -> None:
        """For a segment of people; the segment's rule is changed from time to time."""
        own = [row for row in cast.SEGMENTS if row[0] == piece.project]
        for number, environment in enumerate(("development", "staging", "production")):
            strategy = Strategy(id="", name="default", segments=(own[-1][1],))
            steps = [StrategyAdd(flag=piece.key, strategy=strategy), FlagEnable(flag=piece.key)]
            self._calendar.after(
                at,
                partial(self._smoothly, piece.project, environment, steps),
                least=timedelta(days=6 + 2 * number),
                most=timedelta(days=7 + 2 * number),
            )
        project, key, _, _, field, operator, values = own[-1]
        for number in range(8):
            constraint = Constraint(context_name=field, operator=operator, values=(*values, f"wave-{number + 1}"))
            step = [SegmentSet(segment=key, constraints=(constraint,))]
            where = self._rng.choice(("development", "staging", "production"))
            self._calendar.on_day(
                60 + number * 36,
                partial(self._propose, project, where, step),
            )

    def _archive(self, piece: Piece, at: datetime) -> None:
        """A rollout that is over: retired, through the same door."""
        self._propose(piece.project, "production", [FlagArchive(flag=piece.key)], at, smooth=True)

    def _interruptions(self) -> None:
        for number in range(9):
            self._calendar.on_day(55 + number * 33 + self._rng.random() * 9, self._kill)
        for number in range(18):
            self._calendar.on_day(70 + number * 16 + self._rng.random() * 6, self._regret)
        for number in range(12):
            self._calendar.on_day(50 + number * 25, self._collision)
        for day in (64, 130, 201, 290):
            self._calendar.on_day(day, self._not_allowed)
        self._calendar.on_day(92, self._depend)

    def _live(self) -> list[Piece]:
        """Flags that production has on."""
        on = {
            row.flag
            for place in cast.PROJECTS
            for row in flag_queries.configs(place.key, "production")
            if row.config.enabled and row.config.strategies
        }
        archived = {row.info.key for row in flag_queries.flags(archived=True)}
        return [piece for piece in cast.FLAGS if piece.key in on - archived]

    def _kill(self, at: datetime) -> None:
        """Off in one press; the reason within hours; on again by an ordinary request."""
        risky = [piece for piece in self._live() if piece.type == "kill-switch" or "risk:high" in piece.tags]
        if not risky:
            return
        piece = self._rng.choice(risky)
        who = self._developer(piece.project)
        actor = self._company.actor(who, at=at)
        took = timedelta(milliseconds=self._rng.randint(40, 400))
        done = incidents.kill(
            actor=actor, at=at, project=piece.project, environment="production", flag=piece.key, now=lambda: at + took
        )
        self.requests.counts["killed"] += 1
        why = self._rng.choice(cast.KILL_REASONS)

        def explain(t: datetime) -> None:
            if who in self._company.here:
                again = self._company.actor(who, at=t)
                incidents.record_reason(actor=again, at=t, kill_id=done.kill.id, reason=why)

        self._calendar.after(at, explain, least=timedelta(minutes=15), most=timedelta(hours=5))
        self._calendar.after(
            at,
            lambda t: self._propose(piece.project, "production", [FlagEnable(flag=piece.key)], t, smooth=True),
            least=timedelta(hours=4),
            most=timedelta(days=2),
        )

    def _regret(self, at: datetime) -> None:
        """A step in production, and its revert the day after."""
        live = [piece for piece in self._live() if piece.shape == "rollout"]
        if not live:
            return
        piece = self._rng.choice(live)
        author = self._developer(piece.project)
        made: list[object] = []

        def back(t: datetime) -> None:
            self._calendar.after(t, undo, least=timedelta(hours=2), most=timedelta(hours=26))

        def undo(t: datetime) -> None:
            request = made[0]
            if author in self._company.here and request is not None:
                self.requests.revert(request, author, t)  # type: ignore[arg-type]  # what _turn returned

        made.append(self._turn(piece, "production", self._rng.choice((20, 40, 60, 90)), at, then=back, smooth=True))

    def _collision(self, at: datetime) -> None:
        """Two people ask for different steps of one flag at the same time: the second finds a conflict."""
        live = [piece for piece in self._live() if piece.shape == "rollout"]
        if live:
            piece = self._rng.choice(live)
            for rollout in (30, 70):
                self._turn(piece, "production", rollout, at, smooth=True)

    def _not_allowed(self, at: datetime) -> None:
        """People try what their roles do not include."""
        for who, project in (("oscar.bright", "checkout"), ("noor.haddad", "mobile"), ("hanna.virtanen", "payouts")):
            if who in self._company.here:
                actor = self._company.actor(who, at=at)
                self.requests.refused(partial(flags.create_flag, actor=actor, at=at, project=project, key="quick-fix"))

    def _depend(self, at: datetime) -> None:
        for child, parent in (("gift-cards", "saved-cards-v2"), ("klarna", "fraud-scoring")):
            known = {row.info.key for row in flag_queries.flags("checkout")}
            if {child, parent} <= known and self._config(parent, "staging").strategies:
                step = DependencySet(flag=child, dependency=Dependency(flag=parent))
                self._propose("checkout", "staging", [step], at)
