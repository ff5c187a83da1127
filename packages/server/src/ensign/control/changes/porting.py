"""Export, import and clone. What is brought passes through the one write door: flags and segments are made, which
alters nothing that an application sees, and all content becomes one change request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction
from ensign_ledger import canonical

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.changes import actions
from ensign.control.changes.domain import porting, unleash_export
from ensign.control.changes.domain.bulk import MAX_OPERATIONS
from ensign.control.changes.domain.porting import Document, PortedFlag, PortedSegment
from ensign.control.changes.drafting import Proposed, Wish, propose
from ensign.control.changes.porting_plan import Row, plan
from ensign.control.changes.previewing import Preview, preview
from ensign.control.flags import queries as flags
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.segments import queries as segments

Source = Literal["ensign", "unleash", "clone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of each flag and segment, and the request that holds their content (None: nothing of it differs).

    ``seen`` is the preview of that request, when nothing was written.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    proposed: Proposed | None = None
    seen: Preview | None = None

    def count(self, *outcomes: str) -> int:
        """How many flags and segments have one of these outcomes."""
        return sum(row.outcome in outcomes for row in self.rows)


class _Undone(Exception):
    """Ends a trial."""


def content_of(project: str, environment: str, keys: Sequence[str] = ()) -> Document:
    """What an environment holds of flags (of all that are in use, or of ``keys``) and of the segments that they use.

    :raises NotFound: when the project has no such environment, or no such flag in use.
    """
    projects.environment(project, environment)
    found = {row.info.key: row.info for row in flags.flags(project)}
    missing = sorted(set(keys) - found.keys())
    if missing:
        raise NotFound(f"There is no flag “{missing[0][:100]}” in use in the project “{project}”.")
    configs = {row.flag: row.config for row in flags.configs(project, environment)}
    contents = {row.segment: row.config.constraints for row in segments.configs(project, environment)}
    document = Document(
        flags=tuple(
            PortedFlag(
                key=info.key,
                type=info.type,
                description=info.description,
                tags=info.tags,
                tier=info.tier,
                content=configs.get(info.key),
            )
            for info in found.values()
        ),
        segments=tuple(
            PortedSegment(
                key=row.info.key,
                name=row.info.name,
                description=row.info.description,
                constraints=contents.get(row.info.key),
            )
            for row in segments.segments(project)
        ),
    )
    return document.only(keys) if keys else document


@operation
def export_environment(
    *, actor: Actor, at: datetime, project: str, environment: str, keys: Sequence[str] = ()
) -> dict[str, Any]:
    """What an environment holds, in Ensign's own form (docs/reference/import-export). The export is an entry.

    :raises Denied: without the right to read the project.
    """
    require(actor, Permission.PROJECT_READ, Scope(project), at=at)
    document = content_of(project, environment, keys)
    made = porting.to_json(document, project=project, environment=environment)
    record(
        action=actions.EXPORTED,
        actor=actor,
        at=at,
        where=Where(project=project, environment=environment),
        detail={"flags": len(document.flags), "segments": len(document.segments), "sha256": sha256(made)},
    )
    return made


def read(
    value: Any, *, environment: str = "", keys: Sequence[str] = (), keep_off: bool = False
) -> tuple[Document, Source]:
    """A document of Ensign's own export, or of Unleash's (then of its ``environment``); of ``keys`` alone, if any.

    :raises Invalid: when it is neither, or naming what is wrong with it.
    """
    source: Source = "unleash" if unleash_export.recognised(value) else "ensign"
    document = unleash_export.read(value, environment=environment) if source == "unleash" else porting.from_json(value)
    document = document.only(keys) if keys else document
    return (porting.without_switch(document) if keep_off else document), source


def sha256(document: Mapping[str, Any]) -> str:
    """Of the canonical JSON, in hex.

    :raises Invalid: when it holds what canonical JSON cannot (fractions, very deep nesting, characters).
    """
    try:
        return hashlib.sha256(canonical.encode(document, free_keys=True)).hexdigest()
    except canonical.CanonicalError as error:
        raise Invalid(f"The document cannot be taken: {error}", remedy="Export it again.") from error


@operation
def bring(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    document: Document,
    source: Source,
    digest: str = "",
    title: str = "",
    reason: str = "",
    tickets: Sequence[str] = (),
    wish: Wish = "submit",
    dry_run: bool = False,
) -> Imported:
    """Make what is missing, and one request for all content. With ``dry_run`` all of it is tried and taken back.

    Flags that cannot be taken are left out, and the report says why. ``digest`` is the document's, for the entry.

    :raises Denied: without the right to draft there, or to make flags or segments that are missing.
    :raises Invalid: when all content takes more than 200 operations, or the request could not apply.
    """
    rights = held(actor, at=at)
    rights.require(Permission.PROJECT_READ, Scope(project))
    if not rights.allows_some(Permission.CHANGE_DRAFT, Scope(project, environment)):
        rights.require(Permission.CHANGE_DRAFT, Scope(project, environment))
    projects.environment(project, environment)
    made: Imported | None = None
    with suppress(_Undone), transaction.atomic():
        made = _bring(
            actor=actor, at=at, project=project, environment=environment, document=document, title=title,
            reason=reason, tickets=tickets, wish=wish, dry_run=dry_run,
        )  # fmt: skip
        if dry_run:
            raise _Undone
        record(
            action=actions.IMPORTED,
            actor=actor,
            at=at,
            where=Where(project=project, environment=environment),
            detail=_detail(made, source=source, digest=digest),
        )
    if made is None:
        raise AssertionError("a trial leaves a result")
    return made


def _bring(
    *, actor: Actor, at: datetime, project: str, environment: str, document: Document, title: str, reason: str,
    tickets: Sequence[str], wish: Wish, dry_run: bool,
) -> Imported:  # fmt: skip
    found = plan(actor=actor, at=at, project=project, environment=environment, document=document)
    if not found.operations:
        return Imported(rows=found.rows, notes=document.notes)
    if len(found.operations) > MAX_OPERATIONS:
        raise Invalid(
            f"This takes {len(found.operations)} operations; a change holds {MAX_OPERATIONS}.",
            remedy="Name some of the flags, and take the others afterwards.",
            code="too-many",
        )
    place = {"project": project, "environment": environment}
    if dry_run:
        seen = preview(actor=actor, at=at, operations=found.operations, **place)
        return Imported(rows=found.rows, notes=document.notes, seen=seen)
    count = sum(row.kind == "flag" and row.outcome in {"created", "changed"} for row in found.rows)
    what = "1 flag" if count == 1 else f"{count} flags"
    proposed = propose(
        actor=actor,
        at=at,
        operations=found.operations,
        title=title or f"Import {what} into {environment}",
        reason=reason,
        tickets=tickets,
        wish=wish,
        **place,
    )
    return Imported(rows=found.rows, notes=document.notes, proposed=proposed)


def _detail(made: Imported, *, source: Source, digest: str) -> dict[str, Any]:
    return {
        "source": source,
        "created": made.count("created"),
        "changed": made.count("changed"),
        "skipped": made.count("skipped"),
        **({"sha256": digest} if digest else {}),
        **({} if made.proposed is None else {"request": made.proposed.request.id}),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a clone is taken from: a project and one of its environments; of some flags, or of all."""

    project: str
    environment: str
    flags: tuple[str, ...] = ()


@operation
def clone(
    *,
    actor: Actor,
    at: datetime,
    origin: Origin,
    project: str,
    environment: str,
    key: str = "",
    keep_off: bool = False,
    title: str = "",
    reason: str = "",
    tickets: Sequence[str] = (),
    wish: Wish = "submit",
    dry_run: bool = False,
) -> Imported:
    """Bring what one environment holds to another, of this project or another one; a flag under the new ``key``.

    Rights are asked on both sides: to read there, to make and draft here. Both logs say it.

    :raises Denied: when either is lacking; nothing is written.
    :raises Invalid: when a flag is cloned onto itself or onto one that holds something there already, or cannot be.
    """
    require(actor, Permission.PROJECT_READ, Scope(origin.project), at=at)
    document = _copied(origin, actor=actor, at=at, project=project, environment=environment, key=key.strip())
    if keep_off:
        document = porting.without_switch(document)
    made = bring(
        actor=actor, at=at, project=project, environment=environment, document=document, source="clone",
        title=title or _heading(origin, environment, key), reason=reason, tickets=tickets,
        wish=wish, dry_run=dry_run,
    )  # fmt: skip
    left = next((row for row in made.rows if key and row.kind == "flag" and row.outcome == "skipped"), None)
    if left is not None:  # of one flag there is nothing else to go on with
        raise Invalid(f"{origin.flags[0]} cannot be cloned as “{key.strip()[:100]}”.", fields={"key": left.why})
    if not dry_run:
        record(
            action=actions.CLONED,
            actor=actor,
            at=at,
            where=Where(project=origin.project, environment=origin.environment),
            detail={
                "to_project": project,
                "to_environment": environment,
                "flags": len(document.flags),
                **({} if made.proposed is None else {"request": made.proposed.request.id}),
            },
        )
    return made


def _copied(origin: Origin, *, actor: Actor, at: datetime, project: str, environment: str, key: str) -> Document:
    """What is brought, the one flag under its new ``key``.

    :raises Invalid: when it would be copied onto what is there already.
    """
    document = content_of(origin.project, origin.environment, origin.flags)
    if key:
        if len(origin.flags) != 1:
            raise Invalid("A new key is for one flag.", fields={"key": "Clone each flag by itself."})
        # Whoever may not draft there learns nothing of what there is: `bring` refuses them.
        if held(actor, at=at).allows(Permission.CHANGE_DRAFT, Scope(project, environment)):
            _check_free(key, project=project, environment=environment)
        document = porting.renamed(document, {origin.flags[0]: key})
    elif origin.project != project:
        raise Invalid(
            "Applications know flags by their keys alone, so a copy in another project needs another key.",
            fields={"key": "Give the copy a key of its own."},
        )
    elif origin.environment == environment:
        raise Invalid("It would be copied onto itself.", fields={"environment": "Choose another one, or a new key."})
    return document


def _check_free(key: str, *, project: str, environment: str) -> None:
    """A clone overwrites nothing: its flag is new, or was made by a clone of another environment and is empty in this.

    :raises Invalid: naming ``key``.
    """
    try:
        there = flags.flag(key).info
    except NotFound:
        return
    if there.project != project or there.archived:
        raise Invalid(
            f"There is a flag “{key}” already.",
            fields={"key": "Choose another key: applications know flags by their keys alone, across projects."},
        )
    if environment in flags.configs_of(key):
        raise Invalid(
            f"There is a flag “{key}” already, and it is set up in {environment}.",
            fields={"key": "Choose another key: a clone overwrites nothing."},
        )


def _heading(origin: Origin, environment: str, key: str) -> str:
    if key:
        return f"Clone {origin.flags[0]} as {key.strip()} into {environment}"[:200]
    what = origin.flags[0] if len(origin.flags) == 1 else "flags"
    return f"Copy {what} from {origin.environment} to {environment}"[:200]
