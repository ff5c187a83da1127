"""Claims: workers that are killed anywhere, and two at once, apply nothing twice and lose nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest
from django.db import connection, connections
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries as changes
from ensign.control.releases import queries, running
from ensign_testkit.changing import approve, last_entry, launch, requested, rows_equal_the_log, story
from ensign_testkit.ramping import later, now, percent, ramping

ONCE = """
import json, os, signal, sys
import django
django.setup()
from datetime import datetime
from django.db import connections
from ensign.control.audit import ledger
from ensign.control.changes import applying, timing
from ensign.control.publishing.operations import Publication
from ensign.control.releases import operations, running
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
match task["point"]:
    case "before the lock": timing.lock_request = operations._locked = die
    case "before the change": applying.stage_rows = die
    case "before the entry": applying.record = die
    case "after the entry": Publication.finish = die
    case "before the ramp's entry": operations.record = die
running.tick(at=datetime.fromisoformat(task["at"]))
die()
"""

#: A minute of the worker's clock passes in a tenth of a second.
ON = """
import json, sys, time
import django
django.setup()
from datetime import datetime, timedelta
from django.db import connections
from ensign.control.releases import running
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
start, began = datetime.fromisoformat(task["at"]), task["began"]
while True:
    running.tick(at=start + timedelta(minutes=(time.time() - began) * 10))
"""


def worker(script: str, **task: object) -> subprocess.Popen[bytes]:
    place = {name: str(connection.settings_dict[name]) for name in ("NAME", "HOST", "PORT", "USER")}
    task["database"] = place
    return subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(task)], env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def killed_at(point: str, at: datetime) -> None:
    ended = worker(ONCE, point=point, at=at.isoformat())
    _, said = ended.communicate(timeout=120)
    assert ended.returncode == -signal.SIGKILL, said.decode()


@pytest.mark.parametrize(
    "point", ["before the lock", "before the change", "before the entry", "after the entry", "after the commit"]
)
def test_killed_at_any_step_of_a_schedule(db: str, point: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(minutes=5))
    approve(cast, done)
    size = Entry.objects.count()
    killed_at(point, cast.later(minutes=5))
    applied = point == "after the commit"
    assert Entry.objects.count() == size + applied
    assert running.tick(at=cast.later(minutes=5)) == (0 if applied else 1)
    assert changes.request(done.request.id, reader="").request.status == "applied"
    assert Entry.objects.filter(action="change_request.applied").count() == 1
    assert rows_equal_the_log()
    assert inspect.verify().ok


@pytest.mark.parametrize(
    "point",
    [
        "before the lock", "before the change", "before the entry", "after the entry", "before the ramp's entry",
        "after the commit",
    ],
)  # fmt: skip
def test_killed_at_any_step_of_a_ramp(db: str, point: str) -> None:
    cast = story()
    ramp = ramping(cast)
    size = Entry.objects.count()
    killed_at(point, later(ramp, 60))
    stepped = point == "after the commit"
    assert Entry.objects.count() == size + 2 * stepped
    assert percent() == (25 if stepped else 5)
    running.tick(at=later(ramp, 60))
    running.tick(at=later(ramp, 61))
    assert percent() == 25
    assert now(ramp).reached == 1
    assert Entry.objects.filter(action="ramp.stepped").count() == 1
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_two_workers_that_are_killed_again_and_again(db: str) -> None:
    cast = story()
    ramp = ramping(cast, 5, 10, 20, 40, 60, 80, 100, hold=2)
    began, moments = time.time(), random.Random(5)
    pair = [worker(ON, at=cast.at.isoformat(), began=began) for _ in range(2)]
    deadline, waits = time.monotonic() + 240, threading.Event()
    try:
        while now(ramp).status == "running" and time.monotonic() < deadline:
            seen = now(ramp).reached
            while now(ramp).reached == seen and time.monotonic() < deadline:
                waits.wait(0.05)
            waits.wait(moments.uniform(0, 0.5))  # somewhere in the next beats
            gone = pair.pop(0)
            gone.kill()
            _, said = gone.communicate(timeout=30)
            assert gone.returncode == -signal.SIGKILL, said.decode()
            pair.append(worker(ON, at=cast.at.isoformat(), began=began))
    finally:
        for one in pair:
            one.kill()
            one.communicate(timeout=30)
    after = now(ramp)
    assert after.status == "finished"
    assert [taken.percent for taken in after.taken] == [5, 10, 20, 40, 60, 80, 100]
    times = [taken.at for taken in after.taken]
    assert all((b - a).total_seconds() >= 120 for a, b in pairwise(times))
    assert Entry.objects.filter(action="ramp.stepped").count() == 6
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_threads_at_the_same_moment_apply_each_change_once(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    faults: list[BaseException] = []
    ready = threading.Barrier(6)

    def beat() -> None:
        try:
            ready.wait(30)
            running.tick(at=later(ramp, 60))
        except BaseException as error:  # told by the test's own thread
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=beat) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert percent() == 25
    assert Counter(Entry.objects.values_list("action", flat=True))["ramp.stepped"] == 1
    assert last_entry("ramp.stepped")["detail"]["step"] == 1
    assert queries.ramp(ramp.id).status == "running"
