"""Claims: what is due is done once, whoever else works or dies meanwhile; refusals are summed up and flood no log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, connections
from ensign.asgi import _keep
from ensign.control.api.models import Answer
from ensign.control.audit import inspect
from ensign.control.audit.minutes import LOUD
from ensign.control.audit.models import Entry
from ensign.control.identity import attempts, sign_in
from ensign.control.identity.models import Attempts
from ensign.control.publishing import refusals
from ensign.control.publishing.usage_models import Refusal, UsageHour
from ensign.delivery.usage import Count, CountKey, UsageBatch
from ensign.worker import TASKS, Task, Worker

NOON = datetime(2030, 3, 1, 12, tzinfo=UTC)  # later than the entries that make the log
MINUTE = timedelta(minutes=1)

#: Sums up what is in the database, and is killed right before the commit.
DIES = """
import json, os, signal, sys
import django
django.setup()
from datetime import datetime
from django.db import connections
from ensign.control.publishing import refusals
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
recorded = refusals.record
def record(**arguments):
    recorded(**arguments)
    os.kill(os.getpid(), signal.SIGKILL)
refusals.record = record
refusals.summarise(at=datetime.fromisoformat(task["at"]))
"""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def entries(action: str) -> list[dict[str, Any]]:
    return [
        json.loads(body) for body in Entry.objects.filter(action=action).order_by("seq").values_list("body", flat=True)
    ]


def flood(count: int = 100, *, at: datetime = NOON, reason: str = "401 unknown token") -> None:
    refusals.keep({reason: count}, at=at)


def test_a_task_runs_when_it_is_due_and_not_before_and_a_failing_one_keeps_nobody_from_work(db: str) -> None:
    ran: list[str] = []

    def fail(at: datetime) -> None:
        ran.append("broken")
        raise RuntimeError("no")

    tasks = (
        Task("broken", MINUTE, fail),
        Task("quick", MINUTE, lambda at: ran.append("quick")),
        Task("daily", timedelta(days=1), lambda at: ran.append("daily")),
    )
    now = Clock(NOON)
    worker = Worker(tasks, now=now)
    assert worker.beat() == ["quick", "daily"]
    assert worker.beat() == []
    now.at += MINUTE
    assert worker.beat() == ["quick"]
    assert ran == ["broken", "quick", "daily", "broken", "quick"]


def test_every_task_of_ensign_ends_well_on_an_empty_installation(db: str) -> None:
    """Fails when a task was added that cannot run."""
    assert Worker(now=Clock(NOON)).beat() == [task.name for task in TASKS]


def test_refused_sign_ins_above_the_rate_are_summed_up_by_the_clock(db: str) -> None:
    now = Clock(NOON)
    worker = Worker(now=now)
    for _ in range(sign_in.LOUD + 7):
        sign_in.refused("password", person_id=None, at=NOON)
    worker.beat()
    assert entries("session.refusals_summarised") == []
    now.at += MINUTE
    worker.beat()
    now.at += MINUTE
    worker.beat()
    assert [entry["detail"]["count"] for entry in entries("session.refusals_summarised")] == [7]


def test_what_is_kept_for_a_time_only_is_forgotten(db: str) -> None:
    old = NOON - timedelta(days=2)
    attempts.reserve([(attempts.PAIR, ("anna@example.com", "192.0.2.1"))], at=old)
    Answer.objects.create(id="a" * 64, request="b" * 64, created_at=old)
    keys = [CountKey("shop", "production", "f", "app", hour, "", True) for hour in (NOON - timedelta(days=401), NOON)]
    _keep(UsageBatch(tuple(Count(key, 1, 0) for key in keys), ()))
    Worker(now=Clock(NOON)).beat()
    assert (Attempts.objects.count(), Answer.objects.count()) == (0, 0)
    assert list(UsageHour.objects.values_list("hour", flat=True)) == [NOON]


def test_a_flood_is_one_entry_an_hour_with_numbers_and_reasons_alone(db: str) -> None:
    now = Clock(NOON)
    worker = Worker(now=now)
    flood(100)
    flood(20, reason="403 token of the wrong type")
    flood(3, reason="401 *:production.SECRET")
    worker.beat()
    assert entries("delivery.refused") == []  # the minute is not over
    for _ in range(90):
        now.at += MINUTE
        flood(100, at=now.at)
        worker.beat()
    first, second = entries("delivery.refused")
    assert first["detail"] == {
        "since": "2030-03-01T12:00:00.000000Z",
        "until": "2030-03-01T12:01:00.000000Z",
        "count": 123,
        "peak": 123,
        "reasons": {"401_unknown_token": 100, "403_token_of_the_wrong_type": 20, "other": 3},
    }
    assert second["detail"]["count"] == 6000
    assert first["actor"]["kind"] == "system"


def test_a_few_refusals_are_no_entry_and_are_forgotten(db: str) -> None:
    flood(LOUD)
    assert refusals.summarise(at=NOON + MINUTE) is False
    assert (entries("delivery.refused"), Refusal.objects.count()) == ([], 0)


def test_rules_that_an_sdk_refused_are_an_entry_however_few(db: str) -> None:
    refusals.keep({"sdk ruleset altered": 1, "sdk <b>": 1}, at=NOON)
    assert refusals.summarise(at=NOON + MINUTE) is True
    (entry,) = entries("delivery.refused")
    assert entry["detail"]["reasons"] == {"sdk_ruleset_altered": 1, "other": 1}


def test_counts_and_refusals_of_a_batch_are_stored_together(db: str) -> None:
    key = CountKey("shop", "production", "f", "app", NOON, "", True)
    _keep(UsageBatch((Count(key, 5, 1),), (), {"401 no token": 2}))
    _keep(UsageBatch((), (), {"401 no token": 3}))
    assert UsageHour.objects.get().yes == 5
    assert sum(Refusal.objects.values_list("count", flat=True)) == 5


def test_two_workers_at_once_write_it_once(db: str) -> None:
    flood()
    ready, wrote = threading.Barrier(2), []

    def work() -> None:
        try:
            ready.wait(10)
            wrote.append(refusals.summarise(at=NOON + MINUTE))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(wrote) == [False, True]
    assert [entry["detail"]["count"] for entry in entries("delivery.refused")] == [100]


def test_killed_before_the_commit_it_happened_not_at_all_and_is_done_by_the_next(db: str) -> None:
    flood()
    place = {name: str(connection.settings_dict[name]) for name in ("NAME", "HOST", "PORT", "USER")}
    task = json.dumps({"database": place, "at": (NOON + MINUTE).isoformat()})
    ended = subprocess.run(
        [sys.executable, "-c", DIES, task], env=os.environ, capture_output=True, check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (entries("delivery.refused"), Refusal.objects.count()) == ([], 1)
    assert refusals.summarise(at=NOON + 2 * MINUTE) is True
    assert len(entries("delivery.refused")) == 1
    assert inspect.verify().ok


def test_on_postgresql_one_of_two_workers_leads(db: str) -> None:
    """On SQLite one process serves, and the gate and the transaction do what the advisory lock does here."""
    if connection.vendor != "postgresql":
        assert Worker((), now=Clock(NOON))._leads()
        return
    led: list[bool] = []
    assert Worker((), now=Clock(NOON))._leads()
    assert Worker((), now=Clock(NOON))._leads(), "the same connection may ask again"

    def other() -> None:
        led.append(Worker((), now=Clock(NOON))._leads())
        connections.close_all()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(30)
    assert led == [False]
