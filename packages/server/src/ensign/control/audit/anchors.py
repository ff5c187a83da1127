"""Anchors: copies of signed checkpoints outside the reach of whoever holds database and key.

Without one, that person could rewrite the log and sign it anew. Each delivery is an entry. What lies after the last
anchor is the unanchored window; ``ensign ledger verify`` states it.

Targets come from the environment, so that the application cannot redirect them: ``ENSIGN_ANCHOR_FILE`` (append-only
file), ``ENSIGN_ANCHOR_WEBHOOK`` (https URL), ``ENSIGN_ANCHOR_GIT`` (a clone with a remote to push to).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from ensign.control.audit import checkpoints
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.audit.registry import action
from ensign.control.audit.staging import digest
from ensign.control.kernel import clock, outbound
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError, Unavailable
from ensign.control.kernel.transactions import write_door

ANCHORED = action("ledger.anchored", "anchored the log")
ANCHOR_FAILED = action("ledger.anchor_failed", "could not anchor the log")

INTERVAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target: ``error`` is None on success."""

    kind: str
    size: int
    error: str | None


def _to_file(path: str, note: str, at: datetime) -> None:
    """Append the note, preceded by a comment line with the time, and flush it to disk."""
    with Path(path).open("a", encoding="utf-8") as handle:
        handle.write(f"# {clock.text(at)}\n{note}\n")
        handle.flush()
        os.fsync(handle.fileno())


def _to_webhook(url: str, note: str, at: datetime) -> None:
    target = outbound.check(url, allow=outbound.networks(os.environ.get("ENSIGN_OUTBOUND_ALLOW", "")))
    headers = {"Content-Type": "text/plain; charset=utf-8", "Ensign-Anchored-At": clock.text(at)}
    status = outbound.post(target, note.encode(), headers=headers)
    if not 200 <= status < 300:
        raise OSError(f"the webhook answered {status}")


def _to_git(directory: str, note: str, at: datetime) -> None:
    """Commit the note to a file of the clone and push it."""

    def git(*arguments: str) -> None:
        command = ["git", "-C", directory, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # no shell; the directory is the operator's setting
        if done.returncode:
            raise OSError(f"git {arguments[0]}: {done.stderr.strip()[:200]}")

    _to_file(str(Path(directory) / "checkpoints.txt"), note, at)
    git("add", "checkpoints.txt")
    git("-c", "user.name=Ensign", "-c", "user.email=ensign@localhost", "commit", "-q", "-m", note.split("\n")[1])
    git("push", "-q")


_TARGETS: dict[str, tuple[str, Callable[[str, str, datetime], None]]] = {
    "file": ("ENSIGN_ANCHOR_FILE", _to_file),
    "webhook": ("ENSIGN_ANCHOR_WEBHOOK", _to_webhook),
    "git": ("ENSIGN_ANCHOR_GIT", _to_git),
}


def targets() -> dict[str, str]:
    """Kind -> address of every configured target; without one, a file in the data directory."""
    found = {kind: os.environ[name] for kind, (name, _) in _TARGETS.items() if os.environ.get(name)}
    return found or {"file": str(settings.DATA_DIR / "anchors.txt")}


def anchor(*, actor: Actor, at: datetime) -> list[Outcome]:
    """Sign the present checkpoint and deliver it to every target; each delivery or failure becomes an entry."""
    checkpoint, note = checkpoints.sign()
    outcomes = []
    for kind, address in targets().items():
        try:
            _TARGETS[kind][1](address, note, at)
            error = None
        except (OSError, EnsignError, subprocess.TimeoutExpired) as failure:
            error = str(failure)
        outcomes.append(Outcome(kind, checkpoint.size, error))
        detail = {"kind": kind, "size": checkpoint.size, "root": checkpoint.root.hex()}
        if error is None:
            detail["note_sha256"] = digest(note)
        with write_door():
            record(action=ANCHOR_FAILED if error else ANCHORED, actor=actor, at=at, detail=detail, reason=error)
    return outcomes


def last_anchored_at() -> datetime | None:
    """When the log was last anchored anywhere; None if never."""
    row = Entry.objects.filter(action=ANCHORED.code).order_by("-seq").values_list("ts", flat=True).first()
    return None if row is None else clock.parse(row)


def due(*, at: datetime) -> bool:
    """Whether the hourly anchor is due, also when nothing happened: quiet periods are to be provable."""
    last = last_anchored_at()
    return last is None or at - last >= INTERVAL


def read_file(path: Path) -> list[str]:
    """The notes in an anchor file, oldest first.

    :raises Unavailable: when the file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise Unavailable(
            f"The anchor file {path} cannot be read: {error}", remedy="Give the path of a copy."
        ) from error
    notes, lines = [], text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# "):
            rest = lines[number + 1 :]
            end = next((i for i, other in enumerate(rest) if other.startswith("# ")), len(rest))
            notes.append("\n".join(rest[:end]).rstrip("\n") + "\n")
    return notes
