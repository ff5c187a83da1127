"""Backup and restore, both databases, verified against the signed log.

A backup is one tar file: ``manifest.json`` (log, size, signed checkpoint, digests of the other two), the dump, and
``people``: what is personal, each person's rows sealed under their key (``audit.sealing``). It does not hold the keys
directory: whoever has both could sign a forged log, so they are to be kept apart.
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
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint

from ensign.control.audit import boot, checkpoints, inspect, personal, schema, sealing, unsealing
from ensign.control.audit.ledger import record
from ensign.control.audit.registry import action
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, Unavailable
from ensign.control.kernel.transactions import write_door

BACKED_UP = action("backup.made", "made a backup")
RESTORED = action("backup.restored", "restored a backup")

FORMAT = 2
_READ = (1, 2)
"""In format 1 people lay in the dump, in clear."""
_DUMP = "database"
_PEOPLE = "people"
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
            dump, people = Path(folder) / _DUMP, Path(folder) / _PEOPLE
            _dump(dump, people, origin=checkpoint.origin)
            manifest = {
                "format": FORMAT,
                "database": connection.vendor,
                "made_at": clock.text(at),
                "checkpoint": note,
                "sha256": _sha256(dump),
                "people_sha256": _sha256(people),
            }
            partial = Path(folder) / "backup.tar"
            _pack(partial, manifest, dump, people)
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
        if manifest["format"] not in _READ or manifest["database"] not in {"sqlite", "postgresql"}:
            raise ValueError(f"unknown format {manifest['format']!r}")
        checkpoint, _ = parse_checkpoint(manifest["checkpoint"].encode())
    except (OSError, tarfile.TarError, KeyError, TypeError, ValueError, CheckpointError) as error:
        raise Invalid(
            f"{path} is not a backup that this version reads: {error}", remedy="Give an intact backup file."
        ) from error
    return Backup(
        path, manifest["database"], checkpoint.origin, checkpoint.size, checkpoint.root.hex(), manifest["made_at"]
    ), manifest


def restore(
    *,
    source: Path,
    actor: Actor,
    at: datetime,
    application_role: str | None = None,
    without_keys: bool = False,
) -> Backup:
    """Load a backup into an empty database, verify it against its signed checkpoint, and log it.

    Whoever was erased since the backup was made is erased again before anybody sees the database. On PostgreSQL run it
    as the owner. The caller starts a new revision epoch afterwards, so that SDKs follow.

    ``without_keys``: go on although keys of people are missing who were not erased; they are then erased people.

    :raises Invalid: when the file is damaged or of the other kind of database.
    :raises Unavailable: when the database is not empty, or the log's key or keys of people are not at hand (nothing is
        changed), or when what was restored does not verify (it stays for inspection).
    """
    info, manifest = read(source)
    if info.vendor != connection.vendor:
        raise Invalid(
            f"This is a backup of {info.vendor}, the database is {connection.vendor}.", remedy="Use the same kind."
        )
    _require_empty()
    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)  # new, where keys and database lie elsewhere
    with tempfile.TemporaryDirectory(prefix=".ensign-restore-", dir=settings.DATA_DIR) as folder:
        dump = _unpack(source, _DUMP, Path(folder), manifest["sha256"])
        people = None
        if manifest["format"] > 1:
            people = _unpack(source, _PEOPLE, Path(folder), manifest["people_sha256"])
        checkpoints.require_key_of(parse_checkpoint(manifest["checkpoint"].encode())[1], info.origin)
        if people is not None and not without_keys:
            _require_keys(people)
        _load(dump)
        lost: dict[str, list[personal.Lost]] = {}
        if people is not None:
            schema.drop()  # they come back with the migration that follows
            with transaction.atomic():
                lost = unsealing.put_back(_lines(people), origin=info.origin)
    boot.migrate(at=at, application_role=application_role)
    personal.replay(lost, at=at)
    _verify(info)
    with write_door():
        record(
            action=RESTORED, actor=actor, at=at, detail={"size": info.size, "root": info.root, "made_at": info.made_at}
        )
    return info


def _unpack(source: Path, name: str, folder: Path, sha256: str) -> Path:
    """One member of the archive as a file.

    :raises Invalid: when it is missing or not what the manifest says.
    """
    path = folder / name
    try:
        with tarfile.open(source, "r:") as archive:
            file = archive.extractfile(name)
            if file is None:
                raise KeyError(name)
            with path.open("wb") as target:
                shutil.copyfileobj(file, target)
    except (KeyError, tarfile.TarError) as error:
        raise Invalid(f"{source} holds no {name}: {error}", remedy="Give an intact backup file.") from error
    if _sha256(path) != sha256:
        raise Invalid(f"{source} is damaged: its {name} has another digest.", remedy="Give an intact backup file.")
    return path


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row: dict[str, Any] = json.loads(line)
            yield row


def _require_keys(people: Path) -> None:
    """:raises Unavailable: when keys of people are missing who were not erased."""
    missing = unsealing.missing_keys(_lines(people))
    if missing:
        raise Unavailable(
            f"The keys of {len(missing)} people are missing, who were not erased ({', '.join(missing[:3])} …).",
            remedy="Restore the latest copy of the keys directory, its folder “people” included. If there is none,"
            " `--without-keys` restores everything else, and these people as erased ones.",
        )


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


def _dump(path: Path, people: Path, *, origin: str) -> None:
    """Write the database without people to ``path``, and people to ``people``: both of one moment."""
    with people.open("w", encoding="utf-8") as out:
        if connection.vendor == "sqlite":
            with (
                closing(sqlite3.connect(str(settings.DATABASES["default"]["NAME"]))) as source,
                closing(sqlite3.connect(path)) as target,
            ):
                source.backup(target)
            sealing.cut_sqlite(path, out, origin=origin)
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            without = [f"--exclude-table-data=public.{table}" for table in (*sealing.tables(), sealing.DOCUMENTS)]
            form = ("--format=custom", "--no-owner", "--no-privileges")
            _run("pg_dump", *form, f"--snapshot={snapshot}", *without, f"--file={path}")

            def query(sql: str, parameters: Sequence[str | int]) -> list[tuple[Any, ...]]:
                cursor.execute(sql, list(parameters))
                rows: list[tuple[Any, ...]] = cursor.fetchall()
                return rows

            sealing.take_out(query, out, origin=origin, documents=True)


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


def _pack(path: Path, manifest: dict[str, Any], dump: Path, people: Path) -> None:
    with tarfile.open(path, "w:") as archive:
        body = json.dumps(manifest, sort_keys=True, indent=1).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size, member.mode = len(body), 0o600
        archive.addfile(member, io.BytesIO(body))
        archive.add(dump, arcname=_DUMP)
        archive.add(people, arcname=_PEOPLE)
    path.chmod(0o600)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
