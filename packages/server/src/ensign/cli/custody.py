"""`ensign ledger …`, `ensign backup` and `ensign restore`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from ensign.cli.frame import Exit, show
from ensign.cli.local import as_owner, database_errors, only_one
from ensign.control.audit import anchors, boot, checkpoints, inspect
from ensign.control.audit import backup as backups
from ensign.control.audit import export as exports
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, Unavailable
from ensign.control.privacy import keeping
from ensign.control.publishing import operations as publishing


def _require_schema() -> None:
    """:raises Unavailable: when the database is not migrated to this version."""
    if boot.pending_migrations():
        raise Unavailable("The database is not migrated to this version.", remedy="Run `ensign migrate` first.")


def backup(*, file: Path, actor: Actor, at: datetime, as_json: bool) -> None:
    """Write a backup."""
    with database_errors():
        _require_schema()
        keeping.reconcile(at=at)  # keys are made here, perhaps on another machine than the one that destroyed them
        made = backups.backup(out=file, actor=actor, at=at)
    show(_plain(made), as_json=as_json, text=f"Backed up {made.size:,} entries of {made.origin} to {made.path}.\n"
         "The keys directory is not in it: keep a copy of it elsewhere, as it is now.\n"
         "Its folder “people”, which grows when people join, opens what the backup holds of them.")  # fmt: skip


def restore(*, file: Path, actor: Actor, at: datetime, without_keys: bool, as_json: bool) -> None:
    """Restore a backup into an empty database and start a new epoch."""
    with only_one(), database_errors(), as_owner() as role:
        restored = backups.restore(source=file, actor=actor, at=at, application_role=role, without_keys=without_keys)
        epoch = publishing.new_epoch(actor=actor, at=at, reason=f"restored the backup of {restored.made_at}")
    show(
        {**_plain(restored), "epoch": epoch},
        as_json=as_json,
        text=f"Restored and verified {restored.size:,} entries of {restored.origin}, made {restored.made_at}.\n"
        f"Rulesets are in epoch {epoch} now, so that SDKs follow.",
    )


def export(*, output: Path | None, start: str, end: str | None, actor: Actor, at: datetime, as_json: bool) -> None:
    """Write an evidence bundle."""
    with database_errors():
        _require_schema()
        path = output or Path(f"ensign-evidence-{at:%Y%m%dT%H%M%SZ}.zip")
        first = _position("--from", start)
        last = None if end is None else _position("--to", end)
        done = exports.export(out=path, actor=actor, at=at, start=first, end=last)
    show(
        _plain(done),
        as_json=as_json,
        text=f"Wrote entries {done.start:,} to {done.end - 1:,} to {done.path}.\n"
        f"Check it anywhere, without Ensign: ensign-verify {done.path} --key {done.fingerprint}\n"
        "Give the key's fingerprint to the auditor by another way than the bundle.",
    )


def _position(option: str, text: str) -> int:
    """An entry's number; a date (UTC) stands for the first entry at or after it."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            f"{option} is neither an entry's number nor a date: {text!r}.", remedy="Give 1200, or 2026-03-31."
        ) from error
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    found = Entry.objects.filter(ts__gte=clock.text(instant)).order_by("seq").values_list("seq", flat=True).first()
    return checkpoints.head().size if found is None else found


def verify(*, anchors: list[Path], as_json: bool) -> None:
    """Verify, and end with exit code 8 when something was found."""
    with database_errors():
        _require_schema()
        report = inspect.verify(anchor_files=anchors)
    findings = "\n".join(f"  {found.check}: {found.subject}: {found.message}" for found in report.findings)
    verdict = "The log and every row agree." if report.ok else f"{len(report.findings)} findings:\n{findings}"
    text = (
        f"{report.size:,} entries, {report.objects:,} objects, {report.anchored:,} anchors.\n"
        f"root {report.root}\n{_forgotten(report.redacted)}{verdict}"
    )
    show({**_plain(report), "ok": report.ok}, as_json=as_json, text=text)
    if not report.ok:
        raise typer.Exit(Exit.FINDINGS)


def _forgotten(redacted: Mapping[int, int]) -> str:
    """Which entries authorised forgetting how many documents, the latest ten of them."""
    if not redacted:
        return ""
    latest = ", ".join(f"{count:,} by entry {seq:,}" for seq, count in sorted(redacted.items(), reverse=True)[:10])
    entries = "1 entry" if len(redacted) == 1 else f"{len(redacted):,} entries"
    return f"{sum(redacted.values()):,} documents forgotten, authorised by {entries} ({latest}).\n"


def anchor(*, actor: Actor, at: datetime, as_json: bool) -> None:
    """Anchor now; exit code 7 when a target failed."""
    with database_errors():
        _require_schema()
        outcomes = anchors.anchor(actor=actor, at=at)
    lines = [
        f"{one.kind}: failed: {one.error}" if one.error else f"{one.kind}: anchored {one.size:,} entries"
        for one in outcomes
    ]
    show([_plain(one) for one in outcomes], as_json=as_json, text="\n".join(lines))
    if any(one.error for one in outcomes):
        raise typer.Exit(Exit.UNAVAILABLE)


def _plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON members; paths as text."""
    members = dataclasses.asdict(value).items()
    return {name: str(member) if isinstance(member, Path) else member for name, member in members}
