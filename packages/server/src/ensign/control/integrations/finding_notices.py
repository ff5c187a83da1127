"""Findings as notices: what nobody did, but what somebody has to put right, such as a token that ends soon.

Findings are worked out anew every hour; each is told once to who gives roles, and to who answers for what it is about.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ensign.control.access.domain import ORGANISATION
from ensign.control.access.findings import Finding, findings
from ensign.control.access.permissions import Permission
from ensign.control.integrations import follower
from ensign.control.integrations.audiences import Audiences
from ensign.control.integrations.domain.messages import Message
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.happenings import finding_source, public
from ensign.control.integrations.models import Delivery, Notice
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door

#: Where a person's own tokens are; the pages that findings lead to are for who gives roles.
OWN_TOKENS: Final = "/account/tokens"


def tell(*, at: datetime) -> int:
    """Tell every finding that was not told before; returns how many notices that made."""
    found = findings(at=at)
    if not found:
        return 0
    audiences = Audiences(at=at, requests={})
    people, here = audiences.holders(Permission.ORG_ACCESS_GRANT, ORGANISATION), audiences.readers("")
    wanted = [(_source(one), one) for one in found]
    told = set(Notice.objects.filter(source__in={source for source, _ in wanted}).values_list("source", "person"))
    made = [
        notice
        for source, one in wanted
        for notice in _notices(one, source, sorted(people), {one.owner} & here, at=at)
        if (source, notice.person) not in told
    ]
    mails = follower.mails(made, at=at)
    with write_door():
        Notice.objects.bulk_create(made, batch_size=500, ignore_conflicts=True)
        Delivery.objects.bulk_create(mails, batch_size=500, ignore_conflicts=True)
    return len(made)


def _source(one: Finding) -> str:
    return finding_source(one.code, one.subject, one.detail)


def _notices(
    one: Finding, source: str, people: Sequence[str], owners: Collection[str], *, at: datetime
) -> list[Notice]:
    """One for each of ``people``, who see it while they give roles, and of ``owners``, who see it as it is theirs."""
    facts = {"code": one.code, "subject": one.subject, "detail": one.detail, "at": clock.text(at)}
    return [
        Notice(
            person=person, source=source, at=at, topic=str(Topic.ACCESS), urgency="needs", project="", environment="",
            needs="" if person in owners else str(Permission.ORG_ACCESS_GRANT),
            facts=json.dumps({**facts, "theirs": person in owners}),
        )
        for person in sorted({*people, *owners})
    ]  # fmt: skip


def messages(kept: Sequence[Mapping[str, Any]], *, at: datetime) -> list[Message | None]:
    """Findings in words, as they are now; None for what was put right since."""
    now = {(one.code, one.subject, one.detail): one for one in findings(at=at)}
    return [_message(now.get((one["code"], one["subject"], one["detail"])), one) for one in kept]


def _message(one: Finding | None, kept: Mapping[str, Any]) -> Message | None:
    if one is None:
        return None
    return Message(
        seq=None,
        action=f"finding.{one.code}",
        at=clock.parse(kept["at"]),
        topic=Topic.ACCESS,
        urgency="needs",
        sentence=f"To put right: {one.title}",
        url=public(one.url or (OWN_TOKENS if kept.get("theirs") else "/access/findings")),
        title=one.title,
    )
