"""Publishing: the next ruleset of an environment, in the transaction of the change that makes it necessary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.db import connection
from ensign_ledger.ruleset import Statement

from ensign.control.audit import checkpoints, ledger
from ensign.control.audit import rows as governed
from ensign.control.audit.door import operation
from ensign.control.audit.staging import Staged, digest
from ensign.control.flags import queries as flag_rows
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.kernel.transactions import after_commit, require_write_door
from ensign.control.projects.models import Environment
from ensign.control.publishing import derive, hints, wire
from ensign.control.publishing.actions import EPOCH_STARTED
from ensign.control.publishing.models import Revision, Ruleset
from ensign.control.publishing.snapshot import Feature, Snapshot, changed
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.models import Segment

#: Epochs that restores start, and their first numbers, are at least the seconds since then: so one old backup restored
#: twice leads on, too, past what the first restore had published. Event ids of the wire are such numbers, of 32 bits
#: and without an epoch; that reaches to the year 2156, if there is less than one publication a second.
EPOCHS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)

# Ruleset id -> (digest of its content, its parts). Looked up by digest, which holds a random nonce: the parts of
# another version, of a rolled-back transaction or of another database are never taken for the current ones.
_parts: dict[str, tuple[str, Snapshot]] = {}


def _bound_cursor() -> Any:
    """A cursor of psycopg that binds on the server; psycopg is there whenever the database is PostgreSQL."""
    return import_module("psycopg").Cursor(connection.connection)


class StagedRuleset(Staged):
    """A ruleset's next version. To PostgreSQL half a megabyte goes as a bound parameter: inside the statement,
    where Django puts values, escaping and parsing it again would cost half of the budget of a change.
    """

    __slots__ = ()

    def write(self, *, seq: int) -> None:
        """As :meth:`Staged.write`."""
        if connection.vendor != "postgresql" or self.version == 1:
            super().write(seq=seq)
            return
        update = (
            "UPDATE publishing_ruleset SET version = %s, ledger_seq = %s, content = %s WHERE id = %s AND version = %s"
        )
        with connection.wrap_database_errors, _bound_cursor() as cursor:
            cursor.execute(update, [self.version, seq, self.content, self.id, self.version - 1])
            if cursor.rowcount != 1:
                raise Conflict("Somebody else published here meanwhile.", remedy="Try again.", code="version-conflict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A ruleset that is ready: pass ``staged`` to ``ledger.record``, then call :meth:`finish` with the entry's seq."""

    staged: Staged
    project: str
    environment: str
    epoch: int
    number: int
    delta: str
    snapshot: Snapshot
    statement: Statement

    @property
    def fact(self) -> dict[str, Any]:
        """What the entry says of it in clear, in the list ``rulesets`` of its detail: proofs go by it."""
        return self.statement.fact()

    def finish(self, *, seq: int) -> None:
        """Write the revision that entry ``seq`` vouches for, and announce it when the transaction commits."""
        Revision.objects.bulk_create(
            [
                Revision(
                    number=self.number,
                    epoch=self.epoch,
                    project=self.project,
                    environment=self.environment,
                    ruleset=self.staged.id,
                    digest=self.staged.after,
                    delta=self.delta,
                    ledger_seq=seq,
                )
            ]
        )
        after_commit(self._remember)
        hints.announce(self.number)

    def _remember(self) -> None:
        _parts[self.staged.id] = (self.staged.after, self.snapshot)


def ruleset_id(environment_id: str) -> str:
    """The id of an environment's ruleset."""
    return "rul_" + environment_id.removeprefix("env_")


def stage_publication(
    *,
    project: str,
    environment: str,
    flags: Mapping[str, FlagConfig] | None = None,
    infos: Mapping[str, FlagInfo] | None = None,
    segments: Mapping[str, SegmentConfig] | None = None,
    previous: Publication | None = None,
) -> Publication:
    """The next ruleset of one environment, signed: what is published there, with the given contents taken as written.

    ``flags`` are new contents by flag key, ``infos`` shared parts that changed (archived, impression data) or were
    read and locked already, ``segments`` new contents by segment key: all of what the same entry stages for this
    environment, and nothing else may have changed.
    Call it inside the write door after every business row was locked; it locks the ledger's head. When one entry
    publishes to several environments, pass the publication before as ``previous``, so that numbers count on.

    :raises NotFound: when there is no such environment.
    """
    require_write_door()
    place = governed.row(Environment, project=project, key=environment)
    if place is None:
        raise NotFound(f"There is no environment “{environment[:100]}” in the project “{project[:100]}”.")
    id = ruleset_id(place.pk)
    version = _locked_version(id)
    origin = ledger.lock_head()[2]
    before_digest, newest = _last(project, environment)
    epoch, number = newest if previous is None else max(newest, (previous.epoch, previous.number))
    before = Snapshot() if before_digest is None else _current(id, before_digest)
    after = _next(
        before, project=project, environment=environment, flags=flags or {}, infos=infos or {}, segments=segments or {}
    )
    return _publication(
        id, version, before_digest, before, after,
        origin=origin, project=project, environment=environment, epoch=epoch, number=number + 1,
    )  # fmt: skip


def _locked_version(id: str) -> int | None:
    """The version of a ruleset, locked until the commit, without its half megabyte; None when there is none."""
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT version FROM publishing_ruleset WHERE id = %s{lock}", [id])  # noqa: S608  # one of two
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _last(project: str, environment: str) -> tuple[str | None, tuple[int, int]]:
    """The digest last published in the environment, and epoch and number last used in the whole installation."""
    newest = "FROM publishing_revision ORDER BY number DESC LIMIT 1"
    here = "SELECT digest FROM publishing_revision WHERE project = %s AND environment = %s ORDER BY number DESC LIMIT 1"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT epoch, number, ({here}) {newest}", [project, environment])  # as written
        row = cursor.fetchone()
    return (None, (1, 0)) if row is None else (row[2], (int(row[0]), int(row[1])))


def _current(id: str, wanted: str) -> Snapshot:
    """The parts of the ruleset whose content has the digest ``wanted``."""
    cached = _parts.get(id)
    if cached is not None and cached[0] == wanted:
        return cached[1]
    return Snapshot.parse(Ruleset.objects.values_list("content", flat=True).get(pk=id))


def _next(
    before: Snapshot,
    *,
    project: str,
    environment: str,
    flags: Mapping[str, FlagConfig],
    infos: Mapping[str, FlagInfo],
    segments: Mapping[str, SegmentConfig],
) -> Snapshot:
    keys = flags.keys() | infos.keys()
    shared = dict(infos)
    for row in Flag.objects.filter(key__in=keys - infos.keys()):
        shared[str(row.key)] = flag_rows.to_flag(row).info
    contents = dict(flags)
    missing = keys - flags.keys()
    if missing:
        rows = FlagEnvironment.objects.filter(project=project, environment=environment, flag__in=missing)
        contents |= {str(row.flag): flag_rows.to_config(row).config for row in rows}
    ids = derive.segment_ids(project, contents.values())
    features: dict[str, Feature | None] = {}
    for key in sorted(keys):
        # A flag that was never configured here is unknown to SDKs, as an archived one is.
        live = key in contents and not shared[key].archived
        features[key] = Feature.of(wire.feature(shared[key], contents[key], segment_ids=ids)) if live else None
    wanted = {id for feature in features.values() if feature is not None for id in feature.segments}
    fresh = {int(id) for id in wanted - before.segments.keys()}
    if segments:
        fresh |= set(_ids_of(project, segments)) & (wanted | before.segments.keys())
    texts = derive.segment_texts(project, environment, fresh, staged=segments)
    return changed(before, features=features, segments=texts)


def _ids_of(project: str, segments: Mapping[str, SegmentConfig]) -> list[int]:
    rows = Segment.objects.filter(project=project, key__in=segments.keys())
    return [int(id) for id in rows.values_list("wire_id", flat=True)]


def _publication(
    id: str,
    version: int | None,
    before_digest: str | None,
    before: Snapshot,
    after: Snapshot,
    *,
    origin: str,
    project: str,
    environment: str,
    epoch: int,
    number: int,
) -> Publication:
    nonce = secrets.token_hex(16)
    statement = Statement(
        origin=origin, project=project, environment=environment, epoch=epoch, number=number,
        salt=nonce, digest=after.digest(salt=nonce),
    )  # fmt: skip
    signature = checkpoints.signer(origin).sign_note(statement.text()).decode()
    content = after.content(
        project=project, environment=environment, epoch=epoch, number=number, nonce=nonce, signature=signature
    )
    return Publication(
        staged=StagedRuleset(Ruleset, id, (version or 0) + 1, before_digest, digest(content), content),
        project=project,
        environment=environment,
        epoch=epoch,
        number=number,
        delta="[" + ",".join(after.events_since(before, project=project)) + "]",
        snapshot=after,
        statement=statement,
    )


@operation
def new_epoch(*, actor: Actor, at: datetime, reason: str) -> int:
    """Publish every ruleset anew under a later epoch; returns it. One entry for each.

    For `ensign restore`: SDKs follow a higher epoch to rules with a lower number, and refuse a lower number otherwise.
    What was published after the backup is lost, other restores with it, so epoch and number follow the clock.
    Only Ensign itself may do it, on the machine that holds the database.
    """
    if actor.kind != "system":
        raise PermissionError("a new epoch is started by restoring a backup, never by a request")
    rows = list(Ruleset.objects.select_for_update().order_by("id"))
    origin = ledger.lock_head()[2]
    epoch, number = Revision.objects.order_by("-number").values_list("epoch", "number").first() or (1, 0)
    seconds = int((at - EPOCHS_SINCE).total_seconds())
    epoch, number = max(epoch + 1, seconds), max(number, seconds)
    for row in rows:
        number += 1
        state, parts = row.state, Snapshot.parse(row.content)
        publication = _publication(
            row.pk, row.version, digest(row.content), parts, parts, origin=origin,
            project=state["project"], environment=state["environment"], epoch=epoch, number=number,
        )  # fmt: skip
        recorded = ledger.record(
            action=EPOCH_STARTED,
            actor=actor,
            at=at,
            staged=[publication.staged],
            where=ledger.Where(project=state["project"], environment=state["environment"]),
            reason=reason,
            detail={"epoch": epoch, "number": number, "rulesets": [publication.fact]},
        )
        publication.finish(seq=recorded.seq)
    return int(epoch)
