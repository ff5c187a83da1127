"""What bringing a document takes: which flags and segments are made, which are left out and why, and the operations."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from django.db import transaction

from ensign.control.changes.domain import algebra, porting
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.porting import Document, PortedFlag, PortedSegment
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig
from ensign.control.flags.models import Flag
from ensign.control.flags.operations import create_flag
from ensign.control.flags.surroundings import check
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects.domain import check_key, check_name, check_text
from ensign.control.segments import queries as segments
from ensign.control.segments.domain import Constraint, SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign.control.segments.validation import check_config as check_segment

Outcome = Literal["created", "changed", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What becomes of a flag or segment. ``why`` says it of one that is left out, or kept as it is."""

    kind: Literal["flag", "segment"]
    key: str
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The operations that the document takes once what was missing is made."""

    operations: tuple[Operation, ...]
    rows: tuple[Row, ...]


class _Tried(Exception):
    """Ends a trial."""


@dataclass(kw_only=True)
class _Plan:
    """One import, worked out step by step: flags that cannot be taken move from ``wanted`` to ``skipped``."""

    actor: Actor
    at: datetime
    project: str
    environment: str
    wanted: dict[str, PortedFlag] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    existing: frozenset[str] = frozenset()
    segments: dict[str, tuple[Constraint, ...]] = field(default_factory=dict)
    new_segments: dict[str, PortedSegment] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def sort_segments(self, document: Document) -> Document:
        """Which segments are made, which are defined anew; the document with the keys by which they are known here."""
        known = {row.info.key: row.info for row in segments.segments(self.project)}
        by_name = {info.name.casefold(): key for key, info in known.items()}
        here = {row.segment: row.config.constraints for row in segments.configs(self.project, self.environment)}
        names: dict[str, str] = {}
        for one in document.segments:
            key = one.key if one.key in known else by_name.get(one.name.casefold(), one.key)
            names[one.key] = key
            self._sort_segment(
                replace(one, key=key),
                made=key not in known,
                now=here.get(key),
                mapped=key in known and known[key].mapped,
            )
        return _with_segments(document, names)

    def _sort_segment(
        self, one: PortedSegment, *, made: bool, now: tuple[Constraint, ...] | None, mapped: bool
    ) -> None:
        def say(outcome: Outcome, why: str = "") -> None:
            self.rows.append(Row(kind="segment", key=one.key, outcome=outcome, why=why))

        if one.constraints is None:
            if made:
                say("skipped", "The document does not hold its conditions. Make it here first.")
            else:
                say("unchanged", "The document does not hold its conditions; they stay as they are here.")
            return
        if mapped and now is not None:
            say("unchanged", "It is environment-mapped: its conditions stay as they are here.")
            return
        try:
            check_key(one.key)
            check_name(one.name)
            check_text(one.description, field="description")
            content = check_segment(SegmentConfig(constraints=one.constraints)).constraints
        except Invalid as error:
            say("skipped", _words(error))
            return
        if made:
            self.new_segments[one.key] = one
        if content != now:
            self.segments[one.key] = content
        say("created" if made else "unchanged" if content == now else "changed")

    def sort_flags(self, document: Document) -> None:
        """Which flags can be taken as far as what is stored says.

        :raises Invalid: when the document holds one twice.
        """
        stored = {
            str(key): (str(project), bool(archived))
            for key, project, archived in Flag.objects.filter(key__in=[f.key for f in document.flags]).values_list(
                "key", "project", "archived"
            )
        }
        self.existing = frozenset(key for key, (project, _) in stored.items() if project == self.project)
        for one in document.flags:
            if one.key in self.wanted or one.key in self.skipped:
                raise Invalid(
                    "The document holds a flag twice.", fields={"flags": f"{one.key[:100]} stands there twice."}
                )
            project, archived = stored.get(one.key, (self.project, False))
            if one.problem:
                self.skipped[one.key] = one.problem
            elif project != self.project:
                self.skipped[one.key] = "Another project has a flag of this key; applications know flags by it alone."
            elif archived:
                self.skipped[one.key] = "It is archived here. Revive it first."
            else:
                self.wanted[one.key] = one

    def make(self) -> dict[str, str]:
        """Make what is missing; returns what could not be made, by key."""
        for one in self.new_segments.values():
            create_segment(
                actor=self.actor, at=self.at, project=self.project, key=one.key, name=one.name,
                description=one.description,
            )  # fmt: skip
        failed: dict[str, str] = {}
        for one_flag in self.wanted.values():
            if one_flag.key in self.existing:
                continue
            try:
                create_flag(
                    actor=self.actor, at=self.at, project=self.project, key=one_flag.key, type=one_flag.type,
                    description=one_flag.description, tags=one_flag.tags, tier=one_flag.tier,
                )  # fmt: skip
            except (Invalid, Conflict) as error:
                failed[one_flag.key] = _words(error)
        return failed

    def contents(self) -> tuple[dict[str, FlagConfig], dict[str, str]]:
        """The content of each flag in its canonical form, and why others cannot be taken. All must be made by now."""
        raw = {
            key: self._with_ids(porting.placed(one.content, self._here(key)))
            for key, one in self.wanted.items()
            if one.content is not None
        }
        made: dict[str, FlagConfig] = {}
        failed: dict[str, str] = {}
        for key, config in raw.items():
            try:
                made[key] = check(
                    config, flag_key=key, environment=self.environment, together=raw, segments=self.segments.keys()
                ).config
            except Invalid as error:
                failed[key] = _words(error)
        return made, failed

    def _here(self, key: str) -> FlagConfig:
        return flags.config(key, self.environment).config if key in self.existing else FlagConfig()

    def _with_ids(self, config: FlagConfig) -> FlagConfig:
        strategies = tuple(s if s.id else replace(s, id=ids.new_id("str", at=self.at)) for s in config.strategies)
        return replace(config, strategies=strategies)

    def leave_out(self, failed: Mapping[str, str]) -> None:
        """Take these no longer."""
        for key, why in failed.items():
            del self.wanted[key]
            self.skipped[key] = why

    def operations(self, contents: Mapping[str, FlagConfig]) -> tuple[Operation, ...]:
        """What it takes; the rows say what becomes of each flag."""
        made: list[Operation] = [
            SegmentSet(segment=key, constraints=constraints) for key, constraints in self.segments.items()
        ]
        for key in self.wanted:
            steps = algebra.between(key, self._here(key), contents[key]) if key in contents else ()
            made += steps
            outcome: Outcome = "changed" if steps else "unchanged"
            self.rows.append(Row(kind="flag", key=key, outcome=outcome if key in self.existing else "created"))
        self.rows += [Row(kind="flag", key=key, outcome="skipped", why=why) for key, why in self.skipped.items()]
        return tuple(made)


def plan(*, actor: Actor, at: datetime, project: str, environment: str, document: Document) -> Found:
    """Make what is missing and work out the operations. Call it inside the write door.

    What depends on a flag that cannot be taken cannot be taken either, so it is tried until nothing more falls out;
    each trial is taken back.

    :raises Denied: without the right to make what is missing.
    """
    work = _Plan(actor=actor, at=at, project=project, environment=environment)
    work.sort_flags(work.sort_segments(document))
    while True:
        failed: dict[str, str] = {}
        with suppress(_Tried), transaction.atomic():
            failed = work.make()
            if not failed:
                _, failed = work.contents()
            raise _Tried
        if not failed:
            break
        work.leave_out(failed)
    work.make()
    contents, _ = work.contents()
    steps = work.operations(contents)
    return Found(operations=steps, rows=tuple(sorted(work.rows, key=lambda r: (r.kind, r.key))))


def _with_segments(document: Document, names: Mapping[str, str]) -> Document:
    """The flags with the keys by which segments are known here."""

    def content(value: FlagConfig) -> FlagConfig:
        strategies = (replace(s, segments=tuple(names.get(k, k) for k in s.segments)) for s in value.strategies)
        return replace(value, strategies=tuple(strategies))

    found = tuple(f if f.content is None else replace(f, content=content(f.content)) for f in document.flags)
    return replace(document, flags=found)


def _words(error: Invalid | Conflict) -> str:
    """Why it cannot be taken, in a sentence or two."""
    told = [f"{path}: {text}" for path, text in list(error.fields.items())[:2]]
    return " ".join(told) or error.message
