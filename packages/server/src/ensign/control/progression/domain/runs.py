"""Test runs, and what several of them say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ensign.control.kernel import clock

Result = Literal["passed", "failed"]
Source = Literal["ci", "manual"]
Kind = Literal["flag", "segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged or tested: a flag, or a segment by itself."""

    kind: Kind
    key: str

    def __str__(self) -> str:
        return self.key if self.kind == "flag" else f"the segment {self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of tests against a configuration (``digest``) that ran in ``environment``.

    ``source``: ``ci`` when a service account reported it, ``manual`` when a person did, by whatever means. ``commit``
    and ``url`` say of what code, and where to read it. ``by`` is who reported it.
    """

    id: str
    project: str
    subject: Subject
    environment: str
    digest: str
    name: str
    result: Result
    source: Source
    commit: str
    url: str
    by: str
    reported_at: datetime
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def passed(self) -> bool:
        """Whether all tests passed."""
        return self.result == "passed"

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "project": self.project,
            "kind": self.subject.kind,
            "key": self.subject.key,
            **{name: getattr(self, name) for name in _PLAIN},
            "reported_at": clock.text(self.reported_at),
            "started": None if self.started is None else clock.text(self.started),
            "finished": None if self.finished is None else clock.text(self.finished),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Run:
        """The inverse of :meth:`to_state`."""
        return Run(
            id=id,
            project=state["project"],
            subject=Subject(kind=state["kind"], key=state["key"]),
            **{name: state[name] for name in _PLAIN},
            reported_at=clock.parse(state["reported_at"]),
            started=None if state["started"] is None else clock.parse(state["started"]),
            finished=None if state["finished"] is None else clock.parse(state["finished"]),
        )


_PLAIN = ("environment", "digest", "name", "result", "source", "commit", "url", "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the runs of one digest say: the newest of each name decides. ``passed``: those that count as evidence."""

    passed: tuple[Run, ...] = ()
    failed: tuple[Run, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether something passed, and nothing failed since."""
        return bool(self.passed) and not self.failed


def evidence(runs: Iterable[Run]) -> Evidence:
    """The newest run of each name that counts; ``runs`` are of one subject and digest.

    What a person reports by hand is no evidence that tests passed, so it neither counts nor repairs a failure; that
    something failed is believed of everybody.
    """
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda r: (r.reported_at, r.id)):
        if run.source == "ci" or not run.passed:
            newest[run.name] = run
    kept = [newest[name] for name in sorted(newest)]
    return Evidence(passed=tuple(r for r in kept if r.passed), failed=tuple(r for r in kept if not r.passed))
