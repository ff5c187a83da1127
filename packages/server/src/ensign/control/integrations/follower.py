"""Following the log: every entry is looked at exactly by its number, and whoever is to know gets a notice, once.

The log's numbers have no gap, and what is committed has every number below it; so a cursor is all that following
needs. Notices, messages and the cursor are written in one transaction: a process that dies begins again where it was,
and nothing is told twice. Commits of others wait for it no longer than such a transaction takes to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ensign.control.audit import following
from ensign.control.audit.models import Entry
from ensign.control.integrations import mailing, preferences, registry
from ensign.control.integrations.audiences import Audiences
from ensign.control.integrations.domain.preferences import way
from ensign.control.integrations.domain.table import TABLE, Audience, Telling
from ensign.control.integrations.happenings import Happening, of_entry, requests_of
from ensign.control.integrations.models import Cursor, Delivery, Notice
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import after_commit, write_door

BATCH: Final = 200
LOG: Final = "log"
STALE: Final = timedelta(days=3)
"""Of what is older nobody gets an e-mail: after a long downtime the inbox tells it, not a flood of mail."""
#: What somebody of an audience has to hold when they read it and when it is sent, where no project decides that.
_NEEDS: Final = {
    Audience.ADMINISTRATORS: "org:settings:manage",
    Audience.GRANTERS: "org:access:grant",
    Audience.MANAGERS: "org:integrations:manage",
}


def position() -> int:
    """The number of the first entry that has not been told."""
    return int(Cursor.objects.values_list("seq", flat=True).get(pk=LOG))


def follow(*, at: datetime, limit: int = BATCH) -> int:
    """Tell every entry that has not been told, in batches; returns how many were looked at."""
    told = 0
    while True:
        start = position()
        found = list(Entry.objects.filter(seq__gte=start).order_by("seq").values_list("seq", "action")[:limit])
        if not found:
            return told
        wanted = [seq for seq, action in found if action in TABLE]
        notices, deliveries = _made(wanted, at=at)
        end = found[-1][0] + 1
        if not _keep(notices, deliveries, start=start, end=end):
            return told  # another process was faster, and goes on
        told += end - start


def _keep(notices: Sequence[Notice], deliveries: Sequence[Delivery], *, start: int, end: int) -> bool:
    """Write all and move on, unless somebody else has moved the cursor."""
    with write_door():
        if Cursor.objects.filter(pk=LOG, seq=start).update(seq=end) != 1:
            return False
        Notice.objects.bulk_create(notices, batch_size=500, ignore_conflicts=True)
        Delivery.objects.bulk_create(deliveries, batch_size=500, ignore_conflicts=True)
        if deliveries:
            after_commit(following.tell)  # who sends waits for the same hint
    return True


def _made(seqs: Sequence[int], *, at: datetime) -> tuple[list[Notice], list[Delivery]]:
    if not seqs:
        return [], []
    bodies = Entry.objects.filter(pk__in=seqs).order_by("seq").values_list("body", flat=True)
    told = [(one, row) for one in map(of_entry, bodies) if (row := one.telling) is not None]
    audiences = Audiences(at=at, requests=requests_of(one for one, _ in told))
    notices = [notice for one, row in told for notice in _notices(one, row, audiences)]
    targets = registry.outgoing()
    wanted = [(one, target) for one, row in told for target in targets if target.wants(one, row.topic)]
    deliveries = [delivery(one.source, one.to_json(), target.id, at=at) for one, target in wanted]
    return notices, [*deliveries, *mails(notices, at=at)]


def _notices(one: Happening, row: Telling, audiences: Audiences) -> Iterable[Notice]:
    facts = one.to_json()
    for person, audience in sorted(audiences.of(one, row.to).items()):
        yield Notice(
            person=person,
            source=one.source,
            at=one.at,
            topic=row.topic,
            urgency=row.urgency,
            project=one.project,
            environment=one.environment,
            needs="" if one.project else _NEEDS.get(audience, ""),
            facts=facts,
        )


def mails(notices: Sequence[Notice], *, at: datetime) -> list[Delivery]:
    """The e-mails that notices ask for, by what each person chose; none while no server for them is set."""
    if not notices or not mailing.configured():
        return []
    chosen = preferences.of_all({notice.person for notice in notices})
    found = []
    for notice in notices:
        if at - notice.at > STALE:
            continue
        how = way(chosen[notice.person], notice.topic, notice.urgency)  # type: ignore[arg-type]  # stored as text
        if how != "never":
            made = delivery(notice.source, notice.facts, notice.person, at=at)
            made.status = "due" if how == "now" else "held"
            found.append(made)
    return found


def delivery(source: str, facts: str, target: str, *, at: datetime) -> Delivery:
    """A message that is due now."""
    return Delivery(
        id=new_id("msg", at=at), target=target, source=source, facts=facts, status="due", next_at=at, made_at=at
    )
