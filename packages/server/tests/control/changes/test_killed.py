"""Claims: a process that is killed in the middle of an apply leaves all of it or nothing, and the log verifies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from django.db import connection
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign_testkit.changing import FLAG, approve, config, requested, rows_equal_the_log, story

SCRIPT = """
import json, os, signal, sys
import django
django.setup()
from datetime import datetime
from django.db import connections
from ensign.control.changes import applying, operations as door
from ensign.control.kernel.actor import Actor
from ensign.control.publishing.operations import Publication
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if task["point"] == "before the entry":
    applying.record = die
elif task["point"] == "after the entry":
    Publication.finish = die
actor = Actor(kind="person", id=task["actor"], via="session")
door.apply(actor=actor, at=datetime.fromisoformat(task["at"]), request_id=task["request"])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("point", ["before the entry", "after the entry", "after the commit"])
def test_killed_in_the_middle_of_an_apply(db: str, point: str) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    size = Entry.objects.count()
    place = {name: str(connection.settings_dict[name]) for name in ("NAME", "HOST", "PORT", "USER")}
    task = {
        "point": point, "database": place, "actor": cast.dev.id, "at": cast.at.isoformat(), "request": done.request.id,
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(task)], env=os.environ, capture_output=True, check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    applied = point == "after the commit"
    assert config().enabled is applied
    assert Entry.objects.count() == size + applied
    assert rows_equal_the_log()
    assert inspect.verify().ok
    if not applied:
        assert door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id).request.status == "applied"
