"""Backup and restore, both databases, verified against the signed log.

A backup is one tar file: ``manifest.json`` (log, size, signed checkpoint, digest of the dump) and the dump. It does not
hold the keys directory: whoever has both could sign a forged log, so they are to be kept apart.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint

from ensign.control.audit import boot, checkpoints, inspect
from ensign.control.audit.ledger import record
from ensign.control.audit.registry import action
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, Unavailable
from ensign.control.kernel.transactions import write_door

BACKED_UP = action("backup.made", "made a backup")
RESTORED = action("backup.restored", "restored a backup")

FORMAT = 1
_DUMP = "database"
_MAX_MANIFEST = 65_536


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: the log's origin, size and root, and which database made it."""

    path: Path
    vendor: str
    origin: str
    size: int
    root: str
    made_at: str


def backup(*, out: Path, actor: Actor, at: datetime) -> Backup:
    """Write a consistent copy of the database to ``out``, while the server runs.

    :raises Invalid: when ``out`` exists or cannot be written.
    """
    if out.exists():
        raise Invalid(f"{out} exists already.", remedy="Choose another name; a backup is never overwritten.")
    with write_door():
        record(action=BACKED_UP, actor=actor, at=at, detail={"database": connection.vendor})
    checkpoint, note = checkpoints.sign()
    try:
        with tempfile.TemporaryDirectory(prefix=".ensign-backup-", dir=out.absolute().parent) as folder:
            dump = Path(folder) / _DUMP
            _dump(dump)
            manifest = {
                "format": FORMAT,
                "database": connection.vendor,
                "made_at": clock.text(at),
                "checkpoint": note,
                "sha256": _sha256(dump),
            }
            partial = Path(folder) / "backup.tar"
            _pack(partial, manifest, dump)
            os.link(partial, out)
    except OSError as error:
        raise Invalid(f"The backup cannot be written to {out}: {error}", remedy="Choose a writable place.") from error
    return Backup(out, connection.vendor, checkpoint.origin, checkpoint.size, checkpoint.root.hex(), clock.text(at))


def read(path: Path) -> tuple[Backup, dict[str, Any]]:
    """The manifest of a backup.

    :raises Invalid: when the file is not a backup that this version reads.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            member = archive.getmember("manifest.json")
            file = archive.extractfile(member)
            if file is None or member.size > _MAX_MANIFEST:
                raise ValueError("no manifest")
            manifest = json.loads(file.read())
        if manifest["format"] != FORMAT or manifest["database"] not in {"sqlite", "postgresql"}:
            raise ValueError(f"unknown format {manifest['format']!r}")
        checkpoint, _ = parse_checkpoint(manifest["checkpoint"].encode())
    except (OSError, tarfile.TarError, KeyError, TypeError, ValueError, CheckpointError) as error:
        raise Invalid(
            f"{path} is not a backup that this version reads: {error}", remedy="Give an intact backup file."
        ) from error
    return Backup(
        path, manifest["database"], checkpoint.origin, checkpoint.size, checkpoint.root.hex(), manifest["made_at"]
    ), manifest


def restore(*, source: Path, actor: Actor, at: datetime, application_role: str | None = None) -> Backup:
    """Load a backup into an empty database, verify it against its signed checkpoint, and log it.

    On PostgreSQL run it as the owner. The caller starts a new revision epoch afterwards, so that SDKs follow.

    :raises Invalid: when the file is damaged or of the other kind of database.
    :raises Unavailable: when the database is not empty or the log's key is not at hand (nothing is changed), or when
        what was restored does not verify (it stays for inspection).
    """
    info, manifest = read(source)
    if info.vendor != connection.vendor:
        raise Invalid(
            f"This is a backup of {info.vendor}, the database is {connection.vendor}.", remedy="Use the same kind."
        )
    _require_empty()
    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)  # new, where keys and database lie elsewhere
    with tempfile.TemporaryDirectory(prefix=".ensign-restore-", dir=settings.DATA_DIR) as folder:
        dump = Path(folder) / _DUMP
        with tarfile.open(source, "r:") as archive:
            file = archive.extractfile(_DUMP)
            if file is None:
                raise Invalid(f"{source} holds no dump.", remedy="Give an intact backup file.")
            with dump.open("wb") as target:
                shutil.copyfileobj(file, target)
        if _sha256(dump) != manifest["sha256"]:
            raise Invalid(f"{source} is damaged: its dump has another digest.", remedy="Give an intact backup file.")
        checkpoints.require_key_of(parse_checkpoint(manifest["checkpoint"].encode())[1], info.origin)
        _load(dump)
    boot.migrate(at=at, application_role=application_role)
    _verify(info)
    with write_door():
        record(
            action=RESTORED, actor=actor, at=at, detail={"size": info.size, "root": info.root, "made_at": info.made_at}
        )
    return info


def _verify(info: Backup) -> None:
    report = inspect.verify()
    root = checkpoints.frontier_at(info.size).root().hex()
    if root != info.root:
        raise Unavailable(
            "The restored log is not the one that was signed.", remedy="Use another backup; keep this one."
        )
    if not report.ok:
        first = report.findings[0]
        raise Unavailable(
            f"What was restored does not verify: {first.subject}: {first.message} ({len(report.findings)} findings).",
            remedy="Use another backup; keep this one for the investigation.",
        )


def _require_empty() -> None:
    """:raises Unavailable: when there are tables in the database."""
    tables = connection.introspection.table_names()
    if tables:
        raise Unavailable(
            f"The database is not empty ({len(tables)} tables).",
            remedy="Restore into a new data directory or an empty database; nothing was changed.",
        )


def _dump(path: Path) -> None:
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(str(settings.DATABASES["default"]["NAME"]))) as source,
            closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)
        return
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")


def _load(path: Path) -> None:
    if connection.vendor == "sqlite":
        connections.close_all()
        target = Path(str(settings.DATABASES["default"]["NAME"]))
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(path, target)
        return
    _run(
        "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--single-transaction", "--dbname=", str(path)
    )


def _run(tool: str, *arguments: str) -> None:
    """Run a PostgreSQL client program on the configured database."""
    found = shutil.which(tool) or next(
        iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{tool}"), reverse=True)), None
    )
    if found is None:
        raise Unavailable(
            f"{tool} is not installed.", remedy="Install PostgreSQL's client programs (postgresql-client)."
        )
    config = connection.settings_dict
    place = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    environment = {**os.environ, **{name: str(config[key]) for name, key in place.items() if config.get(key)}}
    fixed = [f"--dbname={config['NAME']}" if argument == "--dbname=" else argument for argument in arguments]
    done = subprocess.run([str(found), *fixed], env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # no shell; arguments are ours
    if done.returncode:
        remedy = f"Check the role, and that {tool} is not older than the server."
        if "permission denied" in done.stderr:
            remedy = "Set DATABASE_OWNER_URL to the role that owns the database; restoring needs it."
        raise Unavailable(f"{tool} failed: {done.stderr.strip()[:400]}", remedy=remedy)


def _pack(path: Path, manifest: dict[str, Any], dump: Path) -> None:
    with tarfile.open(path, "w:") as archive:
        body = json.dumps(manifest, sort_keys=True, indent=1).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size, member.mode = len(body), 0o600
        archive.addfile(member, io.BytesIO(body))
        archive.add(dump, arcname=_DUMP)
    path.chmod(0o600)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
