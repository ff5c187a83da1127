"""What an erasure does to the rows: worked out first, all of it, then written with the entries that authorise it.

Everything here goes by the data map's lines and runs inside the write door.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from ensign.control.access.models import Grant
from ensign.control.audit import history
from ensign.control.audit.models import Document, Entry, Governed, Touch
from ensign.control.audit.registry import governed_models
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity.models import Membership
from ensign.control.privacy.datamap import PERSON, Line
from ensign.control.privacy.domain import INSTEAD, Needles
from ensign.control.privacy.lines import BY_TABLE, LINES

_CHUNK = 400
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
#: Under these keys a state about somebody holds their whole name.
_NAMES = ("name", "display_name", "formatted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """``staged`` rows to write, digests of documents to ``forget``, and names of objects whose present state still
    names the person (``remaining``)."""

    staged: tuple[Staged, ...]
    forget: tuple[str, ...]
    remaining: tuple[str, ...]


def models_by_table() -> dict[str, type[Governed]]:
    """Governed models by the name of their table."""
    return {model._meta.db_table: model for model in governed_models().values()}


def ids_about(line: Line, person_id: str, *, column: str = "id") -> list[Any]:
    """Primary keys of the line's rows that are about the person."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT t."{column}" FROM "{line.table}" AS t WHERE {line.subject} = %s ORDER BY 1',  # noqa: S608  # our own tables
            [person_id],
        )
        return [row[0] for row in cursor.fetchall()]


def needles_of(person_id: str) -> Needles:
    """The present and former addresses and names of somebody, as far as they are kept: here, at identity providers
    and in the directory."""
    models = models_by_table()
    tombstones = [line for line in LINES if line.on_erasure == "tombstone"]
    objects = [f"{models[line.table].object_type}:{pk}" for line in tombstones for pk in ids_about(line, person_id)]
    states = [state for state in history.documents(_versions(objects)).values() if state is not None]
    texts = [text for state in states for text in _plain(json.dumps(state)).splitlines()]
    return Needles.of(
        emails=(text for text in texts if _ADDRESS.fullmatch(text)),
        names=(str(state.get(key) or "") for state in states for key in _NAMES),
    )


def work_out(person_id: str, *, by: str, needles: Needles, skip: frozenset[tuple[str, str]] = frozenset()) -> Effects:
    """What erasing somebody changes, read at this moment. ``by``: who erases; ``skip``: (table, id) of rows that a
    restore could not open."""
    staged = {row.object_name: row for row in (*_own_rows(person_id, skip=skip), *_ended(person_id, by=by))}
    forget = _versions(name for name in staged if _emptied(name))
    forget |= _reasons(person_id, _objects_about(person_id))
    naming = _naming(needles)
    naming -= _of_others(naming, staged)
    edited, remaining = _texts(naming, needles, known=staged)
    staged |= edited
    kept = _versions(remaining)
    forget |= {digest for digest in naming if digest not in kept}
    return Effects(
        staged=tuple(staged[name] for name in sorted(staged)),
        forget=forgettable(forget, staged),
        remaining=tuple(sorted(remaining)),
    )


def tombstone(line: Line, person_id: str) -> dict[str, Any]:
    """The state that is left of a row about somebody who was erased."""
    return {key: person_id if value == PERSON else value for key, value in line.state.items()}


def _emptied(name: str) -> bool:
    """Whether the object's kind holds something personal of its subject, so that its earlier versions go."""
    kind = name.partition(":")[0]
    return BY_TABLE[governed_models()[kind]._meta.db_table].on_erasure in {"tombstone", "emptied"}


def _own_rows(person_id: str, *, skip: frozenset[tuple[str, str]]) -> Iterable[Staged]:
    """Tombstones and emptied rows."""
    models = models_by_table()
    for line in LINES:
        if line.on_erasure not in {"tombstone", "emptied"}:
            continue
        model = models[line.table]
        wanted = [pk for pk in ids_about(line, person_id) if (line.table, pk) not in skip]
        for row in model._base_manager.select_for_update().filter(pk__in=wanted).order_by("pk"):
            left = tombstone(line, person_id)
            state = left if line.on_erasure == "tombstone" else {**row.state, **left}
            yield stage(model, id=row.pk, state=state, current=row)


def _ended(person_id: str, *, by: str) -> Iterable[Staged]:
    """Roles and memberships that were still open: nobody is there any more to hold them."""
    for grant in Grant.objects.select_for_update().filter(subject=person_id, status="active").order_by("pk"):
        state = {**grant.state, **BY_TABLE["access_grant"].state, "status": "revoked", "ended_by": by}
        yield stage(Grant, id=grant.pk, state=state, current=grant)
    members = Membership.objects.select_for_update().filter(person=person_id, status="active").order_by("pk")
    for row in members:
        yield stage(Membership, id=row.pk, state={**row.state, "status": "removed"}, current=row)


def _objects_about(person_id: str) -> set[str]:
    """Names of all governed objects that are about the person."""
    models = models_by_table()
    return {
        f"{models[line.table].object_type}:{pk}"
        for line in LINES
        if line.subject and line.table in models
        for pk in ids_about(line, person_id)
    }


def _versions(objects: Iterable[str]) -> set[str]:
    """Digests of every version that the objects have had so far."""
    found: set[str] = set()
    names = sorted(objects)
    for start in range(0, len(names), _CHUNK):
        rows = Touch.objects.filter(object__in=names[start : start + _CHUNK])
        found |= set(rows.values_list("after", flat=True))
    return found


def _reasons(person_id: str, objects: set[str]) -> set[str]:
    """Digests of the reasons that were given when something about the person was done."""
    seqs = set()
    names = sorted(objects)
    for start in range(0, len(names), _CHUNK):
        touches = Touch.objects.filter(object__in=names[start : start + _CHUNK])
        seqs |= set(touches.values_list("seq", flat=True))
    found = set()
    naming = Entry.objects.filter(body__contains=f'"{person_id}"').filter(body__contains='"reason":')
    for seq, body in naming.values_list("seq", "body").iterator(chunk_size=2_000):
        entry = json.loads(body)
        named = person_id in {value for value in entry.get("detail", {}).values() if isinstance(value, str)}
        if "reason" in entry and (named or seq in seqs):
            found.add(entry["reason"]["commit"])
    for start in range(0, len(ordered := sorted(seqs)), _CHUNK):
        bodies = Entry.objects.filter(pk__in=ordered[start : start + _CHUNK]).values_list("body", flat=True)
        found |= {entry["reason"]["commit"] for entry in map(json.loads, bodies) if "reason" in entry}
    return found


def _naming(needles: Needles) -> set[str]:
    """Digests of all documents that hold one of the needles."""
    found: set[str] = set()
    for word in needles.words:
        rows = Document.objects.filter(content__icontains=_fragment(word)).values_list("digest", "content")
        found |= {digest for digest, content in rows.iterator(chunk_size=2_000) if needles.found_in(_plain(content))}
    return found


def _fragment(word: str) -> str:
    """The longest part of a needle that databases find in both cases: they fold ASCII alone; JSON escapes quotes."""
    return max(re.split(r"[^ -~]|[\"\\]", word), key=len)


def _of_others(digests: set[str], staged: Mapping[str, Staged]) -> set[str]:
    """Those of the documents that are states of other people's own rows: a namesake keeps theirs."""
    found: set[str] = set()
    ordered = sorted(digests)
    for start in range(0, len(ordered), _CHUNK):
        touches = Touch.objects.filter(after__in=ordered[start : start + _CHUNK]).values_list("object", "after")
        found |= {after for name, after in touches if name not in staged and _emptied(name)}
    return found


def _plain(content: str | None) -> str:
    """The texts of a document, unescaped, one a line."""
    lines: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            lines.append(value)
        elif isinstance(value, Mapping):
            for key, member in value.items():
                lines.append(str(key))
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(json.loads(content or "null"))
    return unicodedata.normalize("NFC", "\n".join(lines))


def _texts(digests: set[str], needles: Needles, *, known: Mapping[str, Staged]) -> tuple[dict[str, Staged], set[str]]:
    """The present texts that name the person, rewritten; and the objects that will still name them."""
    edited: dict[str, Staged] = {}
    remaining: set[str] = set()
    for name, row, line in live_rows(digests):
        if name in known:
            continue
        state = row.state
        new = {**state, **{key: needles.taken_out(state[key]) for key in line.texts if isinstance(state.get(key), str)}}
        if new != state:
            edited[name] = stage(type(row), id=row.pk, state=new, current=row)
        if needles.found_in(_plain(json.dumps(new))):
            remaining.add(name)
    return edited, remaining


def blanked(digests: set[str]) -> dict[str, Staged]:
    """Rows whose present state is one of the documents, with every text that people typed taken out: for a restore,
    which no longer knows the names."""
    staged = {}
    for name, row, line in live_rows(digests):
        state = row.state
        new = {**state, **{key: INSTEAD for key in line.texts if state.get(key)}}
        if new != state:
            staged[name] = stage(type(row), id=row.pk, state=new, current=row)
    return staged


def live_rows(digests: set[str]) -> Iterable[tuple[str, Governed, Line]]:
    """Rows whose present state is one of the documents."""
    ordered = sorted(digests)
    for start in range(0, len(ordered), _CHUNK):
        touches = Touch.objects.filter(after__in=ordered[start : start + _CHUNK]).order_by("object")
        for name, version in touches.values_list("object", "version"):
            kind, _, pk = name.partition(":")
            model = governed_models()[kind]
            row = model._base_manager.select_for_update().filter(pk=pk, version=version).first()
            if row is not None:
                yield name, row, BY_TABLE[model._meta.db_table]


def forgettable(digests: set[str], staged: Mapping[str, Staged]) -> tuple[str, ...]:
    """Those of the documents that are kept, and are not the present state of a row that is not rewritten."""
    return tuple(sorted(_present(digests - _live_elsewhere(digests, staged))))


def _live_elsewhere(digests: set[str], staged: Mapping[str, Staged]) -> set[str]:
    """Those of the documents that are the present state of a row which is not rewritten."""
    return {
        row_digest
        for name, row, _ in live_rows(digests)
        if name not in staged
        for row_digest in Touch.objects.filter(object=name, version=row.version).values_list("after", flat=True)
    }


def _present(digests: set[str]) -> set[str]:
    """Those that are kept and not forgotten yet."""
    found: set[str] = set()
    ordered = sorted(digests)
    for start in range(0, len(ordered), _CHUNK):
        rows = Document.objects.filter(pk__in=ordered[start : start + _CHUNK], content__isnull=False)
        found |= set(rows.values_list("digest", flat=True))
    return found


def remove_rows(person_id: str) -> dict[str, int]:
    """Delete the rows of ungoverned tables that are about the person; returns table -> how many there were."""
    removed: dict[str, int] = {}
    lines = [line for line in LINES if line.on_erasure == "removed"]
    with connection.cursor() as cursor:
        # What is found through the account goes before the account.
        for line in sorted(lines, key=lambda line: line.table == "identity_account"):
            cursor.execute(
                f'DELETE FROM "{line.table}" AS t WHERE {line.subject} = %s',  # noqa: S608  # our own tables
                [person_id],
            )
            if cursor.rowcount > 0:
                removed[line.table] = cursor.rowcount
    return removed
