"""What Ensign does with a restored backup that knows people who were erased since: it erases them again.

The list of erased people lies beside the keys, not in the database, so that an older database cannot forget it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from ensign_ledger import canonical

from ensign.control.audit import personal, redaction
from ensign.control.audit.models import Redaction, Touch
from ensign.control.audit.personal import Lost
from ensign.control.audit.staging import Staged, digest
from ensign.control.identity import accounts
from ensign.control.identity.models import Person
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign.control.privacy import effects
from ensign.control.privacy.erasure import write
from ensign.control.privacy.lines import BY_TABLE, LINES


def register() -> None:
    """Tell the backups. Called once, when Django is set up."""
    for line in LINES:
        if line.backup != "clear":
            subject = line.subject or "NULL"
            personal.declare(personal.Personal(table=line.table, how=line.backup, subject=subject))
    personal.on_restore(erase_again)


def erase_again(lost: Mapping[str, Iterable[Lost]], at: datetime) -> None:
    """Put a tombstone wherever something of an erased person, or of one whose key is gone, would come back."""
    present = set(Person.objects.exclude(status="erased").values_list("pk", flat=True))
    for person_id in sorted((personal.erased() & present) | set(lost)):
        with write_door():
            _again(person_id, list(lost.get(person_id, ())), at=at)


def _again(person_id: str, lost: list[Lost], *, at: datetime) -> None:
    redaction.overwrite_what_is_freed()
    actor = system("restore")
    known = personal.forgotten(person_id)
    found = effects.work_out(
        person_id,
        by=actor.id,
        needles=effects.needles_of(person_id),
        skip=frozenset((one.table, one.id) for one in lost),
    )
    staged = effects.blanked(set(known))  # in the past it was known which words to take out; now it is all or nothing
    staged |= {row.object_name: row for row in found.staged}
    staged |= {row.object_name: row for row in (_over(one, person_id) for one in lost if one.version)}
    accounts.end_sessions(person_id)
    effects.remove_rows(person_id)
    unread = {one.id for one in lost if not one.version}
    unread -= set(Redaction.objects.filter(pk__in=unread).values_list("pk", flat=True))
    digests = sorted({*effects.forgettable({*found.forget, *known}, staged), *unread})
    detail = {"person": person_id, "restored": True, "documents": len(digests), "objects": len(staged)}
    write(actor=actor, at=at, staged=[staged[name] for name in sorted(staged)], digests=digests, detail=detail)


def _over(one: Lost, person_id: str) -> Staged:
    """The tombstone over a row that no key opens: its version before is known by its digest alone."""
    line = BY_TABLE[one.table]
    model = effects.models_by_table()[one.table]
    before = Touch.objects.get(object=f"{model.object_type}:{one.id}", version=one.version).after
    state = {**effects.tombstone(line, person_id), "nonce": secrets.token_hex(16)}
    content = canonical.encode(state, free_keys=True).decode()
    return Staged(model, one.id, one.version + 1, before, digest(content), content)
