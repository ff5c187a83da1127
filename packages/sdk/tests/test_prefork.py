"""Claims: one client made before the fork serves every worker of a real gunicorn and a real Celery.

Each worker follows the rules by itself, and what all of them counted arrives once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.delivery import flag

APPLICATIONS = Path(__file__).parent / "applications"
TOKEN = "shop:production.sdk-secret"


@contextmanager
def running(
    *command: str, plane: Any, home: Path, fds: tuple[int, ...] = (), **env: str
) -> Iterator[subprocess.Popen[str]]:
    """A command with the application's environment; ended, if it was not, with all of its children."""
    made = {**os.environ, "ENSIGN_URL": plane.url, "ENSIGN_CLIENT_TOKEN": TOKEN, "HOME": str(home), **env}
    with subprocess.Popen(
        command, env=made, cwd=APPLICATIONS, pass_fds=fds, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> str:
    """Ask it to end, and wait; returns what it wrote to standard error."""
    process.terminate()
    _, told = process.communicate(timeout=60)
    return told


@pytest.mark.parametrize(
    "options",
    [
        ("--preload", "wsgi_app:app"),
        ("wsgi_app:app",),
        ("--preload", "--worker-class", "gthread", "--threads", "4", "django_app:application"),
    ],
)
def test_gunicorns_workers_follow_and_count_each_for_itself(
    plane, tmp_path: Path, until, options: tuple[str, ...]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/?user=7"
    number = listener.fileno()
    command = [sys.executable, "-m", "gunicorn", "-w", "3", "--bind", f"fd://{number}", *options]
    asked: list[tuple[int, str]] = []

    def ask() -> str:
        with urllib.request.urlopen(address, timeout=30) as answer:
            process, on = answer.read().decode().split()
        asked.append((int(process), on))
        return str(on)

    with running(*command, plane=plane, home=tmp_path, fds=(number,)) as process:
        listener.close()
        until(lambda: ask() == "on" and len({one for one, _ in asked}) == 3, seconds=60)
        plane.source.publish([flag("menu", enabled=False)])
        off: set[int] = set()

        def followed() -> bool:
            if ask() == "off":
                off.add(asked[-1][0])
            return len(off) == 3

        until(followed, seconds=30)
        told = ended(process)
    assert "Traceback" not in told, told
    wanted = (sum(on == "on" for _, on in asked), sum(on == "off" for _, on in asked))
    until(lambda: plane.counted("menu") == wanted)
    time.sleep(0.2)  # a report sent twice would be on its way now
    assert plane.counted("menu") == wanted
    instances = [seen.instances for batch in plane.batches for seen in batch.applications]
    assert max(instances) >= 3, "each worker is an instance of its own"


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_celerys_workers_follow_and_count_each_for_itself(
    plane, tmp_path: Path, until: Callable[..., None], pool: str
) -> None:
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    env = {"CELERY_FOLDER": str(tmp_path)}
    celery = [sys.executable, "-m", "celery", "-A", "celery_app"]
    worker = [*celery, "worker", "--pool", pool, "--concurrency", "2", "--without-gossip", "--without-mingle"]
    sent: list[Any] = []
    ask = _asker(tmp_path, sent)
    with running(*worker, plane=plane, home=tmp_path, **env) as process:
        until(lambda: ask(), seconds=60)
        plane.source.publish([flag("menu", enabled=False)])
        until(lambda: not ask(), seconds=60)
        told = ended(process)
    assert "Traceback" not in told, told
    wanted = (sent.count(True), sent.count(False))
    until(lambda: plane.counted("menu") == wanted)
    time.sleep(0.2)  # a report sent twice would be on its way now
    assert plane.counted("menu") == wanted


def _asker(folder: Path, answers: list[Any]) -> Callable[[], bool]:
    """Sends one task and waits for its answer, as a process that has no client of its own."""
    from celery import Celery

    app = Celery("asker", broker="filesystem://", backend=f"file://{folder}/results", set_as_current=False)
    app.conf.broker_transport_options = {
        "data_folder_in": f"{folder}/queue",
        "data_folder_out": f"{folder}/queue",
        "control_folder": f"{folder}/control",  # else the working directory
    }

    def ask() -> bool:
        _process, on = app.send_task("celery_app.menu", args=["7"]).get(timeout=60, interval=0.05)
        answers.append(on)
        return bool(on)

    return ask
