"""Sending what is due: each message is claimed, prepared, sent, and what came of it is written down.

A claim sets the next try before anything leaves, so that a process that dies in between sends again after the lease:
at least once, never not at all. Preparing looks again at everything that may have changed: an integration that was
switched off or a person who lost access gets nothing. Only the network is used by several threads at once; the
database is this thread's alone.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F

from ensign.control.integrations import leaving_by_mail, operations, outgoing
from ensign.control.integrations.domain import retries
from ensign.control.integrations.models import Delivery, Integration
from ensign.control.integrations.registry import View, view
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door

BATCH: Final = 50
_KEPT: Final = 20
"""How many tries of one message are shown."""
ACTOR: Final = system("integrations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one try. ``status`` is that of an HTTP answer, if there was one; ``problem`` is empty when it went
    through; ``final``: trying again is in vain; ``dropped``: it is not to be sent at all."""

    status: int | None = None
    problem: str = ""
    ms: int = 0
    final: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Messages that leave together (several to one person in one e-mail), and how."""

    rows: tuple[Delivery, ...]
    send: Callable[[], Outcome]


def claim(*, at: datetime, limit: int = BATCH) -> list[Delivery]:
    """Take what is due: nobody else sends it within the lease. Oldest first."""
    with write_door():
        due = Delivery.objects.filter(status="due", next_at__lte=at).order_by("next_at", "pk")
        ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        if ids:
            Delivery.objects.filter(pk__in=ids).update(next_at=at + retries.LEASE, tried=F("tried") + 1)
    return list(Delivery.objects.filter(pk__in=ids).order_by("pk"))


def send_due(*, at: datetime, now: Callable[[], datetime], limit: int = BATCH) -> int:
    """Send everything that is due at ``at``; ``now`` is the clock by which tries are dated. Returns how many left."""
    left = 0
    while rows := claim(at=at, limit=limit):
        jobs = prepare(rows, at=now())
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="ensign-post") as pool:
            outcomes = list(pool.map(lambda job: _timed(job.send), jobs))
        # What arrived first: a message that is given up asks whether anything else did.
        for job, outcome in sorted(zip(jobs, outcomes, strict=True), key=lambda pair: bool(pair[1].problem)):
            settle(job.rows, outcome, at=now())
        left += len(rows)
    return left


def _timed(send: Callable[[], Outcome]) -> Outcome:
    began = time.monotonic()
    try:
        found = send()
    except Exception as error:  # whatever one message runs into must not keep the others from leaving
        found = Outcome(problem=f"could not be sent: {type(error).__name__}")
    took = round((time.monotonic() - began) * 1000)
    return Outcome(status=found.status, problem=found.problem, ms=took, final=found.final, dropped=found.dropped)


def prepare(rows: Sequence[Delivery], *, at: datetime) -> list[Job]:
    """What to do about each message, from what is so now."""
    people: dict[str, list[Delivery]] = defaultdict(list)
    jobs = []
    known = {row.pk: view(row) for row in Integration.objects.filter(pk__in={row.target for row in rows})}
    for row in rows:
        if row.target.startswith("usr_"):
            people[row.target].append(row)
        else:
            jobs.append(_to_integration(row, known.get(row.target), at=at))
    return jobs + [job for person, theirs in people.items() for job in _to_person(person, theirs, at=at)]


def _to_integration(row: Delivery, target: View | None, *, at: datetime) -> Job:
    if target is None or target.status != "active":
        return Job(rows=(row,), send=lambda: Outcome(dropped=True, problem="the integration is switched off"))
    ready = outgoing.prepared(row, target, at=at)

    def send() -> Outcome:
        status, problem = ready()
        return Outcome(status=status, problem=problem, final=status == 410)

    return Job(rows=(row,), send=send)


def _to_person(person: str, rows: Sequence[Delivery], *, at: datetime) -> list[Job]:
    found = leaving_by_mail.prepared(person, rows, at=at)
    jobs = [
        Job(rows=(row,), send=lambda: Outcome(dropped=True, problem="they may no longer see it"))
        for row in found.dropped
    ]
    if found.send is not None:
        problem_of = found.send

        def send() -> Outcome:
            problem, final = problem_of()
            return Outcome(problem=problem, final=final)

        jobs.append(Job(rows=tuple(found.rows), send=send))
    return jobs


def settle(rows: Sequence[Delivery], outcome: Outcome, *, at: datetime) -> None:
    """Write down what came of a try; what will not be tried again counts against its integration."""
    for row in rows:
        tried = {"at": at.isoformat(), "status": outcome.status, "ms": outcome.ms, "problem": outcome.problem}
        again = retries.next_try(max(row.tried, 1), at=at)
        ended = not outcome.problem or outcome.dropped or outcome.final or again is None
        status = "sent" if not outcome.problem else "dropped" if outcome.dropped else "dead" if ended else "due"
        with write_door():
            Delivery.objects.filter(pk=row.pk).exclude(status="sent").update(
                status=status,
                tries=json.dumps([*json.loads(row.tries), tried][-_KEPT:]),
                next_at=row.next_at if again is None else again,
                done_at=at if ended else None,
            )
        if status == "dead" and not row.target.startswith("usr_"):
            _give_up(row, outcome, at=at)


def _give_up(row: Delivery, outcome: Outcome, *, at: datetime) -> None:
    """Switch an integration off that nothing reached since this message was made; its managers are told."""
    if (
        outcome.status != 410
        and Delivery.objects.filter(target=row.target, status="sent", done_at__gte=row.made_at).exists()
    ):
        return
    why = "gone" if outcome.status == 410 else "failing"
    operations.disable_failing(actor=ACTOR, at=at, id=row.target, why=why)
