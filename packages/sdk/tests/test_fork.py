"""Claims: after a fork both processes go on, and what was counted once is sent once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from ensign_sdk import Client
from ensign_sdk.openfeature import EnsignProvider
from ensign_testkit import adversary as enemy
from ensign_testkit.delivery import flag
from openfeature.evaluation_context import EvaluationContext

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def child(work: Callable[[], bool]) -> int:
    """Run `work` in a forked child; returns its process id. The child ends at once, with 0 for True."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(20)
        code = 0 if work() else 2
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def eventually(condition: Callable[[], object]) -> bool:
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(1_000))


def test_a_child_follows_the_rules_and_counts_for_itself(plane, connect, until) -> None:
    client = connect(plane.url, metrics_interval=0.1)
    client.wait_until_ready(10)
    menu = client.flag("menu")
    for _ in range(40):
        menu()

    reading, writing = os.pipe()

    def work() -> bool:
        for _ in range(3):
            menu()
        os.write(writing, b".")
        went_off = eventually(lambda: not client._store.ruleset.is_enabled("menu"))
        client.close()
        return went_off

    processes = [child(work) for _ in range(3)]
    asked = b""
    while len(asked) < 3:
        asked += os.read(reading, 3)
    plane.source.publish([flag("menu", enabled=False)])
    assert [ended(process) for process in processes] == [0, 0, 0]
    until(lambda: not client._store.ruleset.is_enabled("menu"))
    client.close()
    until(lambda: plane.counted("menu") == (40 + 3 * 3, 0))
    instances = [seen.instances for batch in plane.batches for seen in batch.applications]
    assert max(instances) == 4, "each process is an instance of its own"


def test_counts_that_wait_in_the_parent_are_not_the_childs(hostile, connect, until, quick) -> None:
    hostile.behaviour, hostile.posts = enemy.rules("menu"), enemy.reply(500)
    client = connect(hostile.url)
    client.wait_until_ready(10)
    for _ in range(7):
        client.is_enabled("menu")
    process = child(lambda: client.close() is None)
    assert ended(process) == 0
    hostile.posts = enemy.reply(202)
    client.close()
    sent = [body["bucket"]["toggles"]["menu"]["yes"] for body in hostile.posted("/metrics")]
    assert sum(sent) == 7


def test_a_fork_while_threads_are_busy_never_hangs(plane, connect) -> None:
    client = connect(plane.url, refresh_interval=0.05, metrics_interval=0.05)
    client.wait_until_ready(10)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            client.is_enabled("menu")
            client.get_variant("menu")

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()

    def work() -> bool:
        return all(client.is_enabled("menu") for _ in range(100)) and client.close() is None

    try:
        assert [ended(child(work)) for _ in range(15)] == [0] * 15
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_closed_or_unstarted_client_stays_as_it_is_in_a_child(plane, connect) -> None:
    closed, unstarted = connect(plane.url), connect(plane.url, start=False)
    closed.wait_until_ready(10)
    closed.close()

    def work() -> bool:
        alone = threading.active_count() == 1
        unstarted.start()
        return alone and closed.is_enabled("menu") and unstarted.wait_until_ready(10) and unstarted.is_enabled("menu")

    assert ended(child(work)) == 0


def test_an_openfeature_provider_goes_on_in_a_child(plane, connect) -> None:
    provider = EnsignProvider(connect(plane.url, streaming=True))
    provider.initialize(EvaluationContext())
    reading, writing = os.pipe()

    def work() -> bool:
        on = provider.resolve_boolean_details("menu", False).value
        os.write(writing, b".")
        went_off = eventually(lambda: not provider.resolve_boolean_details("menu", True).value)
        looks = any(thread.name == "ensign-openfeature" for thread in threading.enumerate())
        provider.shutdown()
        return on and went_off and looks

    process = child(work)
    assert os.read(reading, 1) == b"."
    plane.source.publish([flag("menu", enabled=False)])
    assert ended(process) == 0
    assert eventually(lambda: not provider.resolve_boolean_details("menu", True).value)
    provider.shutdown()


IMPORTING = """
import os, sys, threading, time
import ensign_sdk
from ensign_sdk import Client

begun = threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "http.client":
            begun.set()
            time.sleep(0.5)  # a slow disk, in the middle of importing the transport

sys.meta_path.insert(0, Slow())
client = Client(url=sys.argv[1], token="a:b.c", app_name="x", cache_dir=False, metrics_interval=0)
assert begun.wait(20)
child = os.fork()
ready = client.wait_until_ready(20) and client.is_enabled("menu")
client.close()
if child:
    os._exit(0 if ready and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 else 1)
os._exit(0 if ready else 1)
"""


def test_a_fork_in_the_middle_of_importing_http_leaves_no_half_module_in_the_child(hostile) -> None:
    hostile.behaviour = enemy.rules("menu")
    command = [sys.executable, "-c", IMPORTING, hostile.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_child_can_compile_flags_although_the_parent_was_compiling(plane, connect) -> None:
    """The engine keeps compiled shapes behind a lock, which a thread of the parent may hold at the fork."""
    from ensign_engine import codegen

    client = connect(plane.url)
    client.wait_until_ready(10)
    with codegen._lock:
        process = child(lambda: Client.offline({"features": [flag("new")]}).is_enabled("new"))
    assert ended(process) == 0
