"""What somebody is told by e-mail, from what is so at the moment of sending: who lost access is told nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import BY_CODE, Permission
from ensign.control.identity import queries as identity
from ensign.control.integrations import finding_notices, mailing
from ensign.control.integrations.domain.messages import Message, mail
from ensign.control.integrations.happenings import Happening, messages, public
from ensign.control.integrations.models import Delivery, Notice
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """``rows`` are sent together by ``send`` (problem, whether that is final); ``dropped`` are not sent at all."""

    rows: Sequence[Delivery] = ()
    dropped: Sequence[Delivery] = ()
    send: Callable[[], tuple[str, bool]] | None = None


def rights_of(person: str, *, at: datetime) -> Held:
    """What somebody holds now by their grants."""
    return held(Actor(kind="person", id=person, via="session"), at=at)


def may_see(notice: Notice, rights: Held) -> bool:
    """Whether somebody may still see what a notice of theirs is about."""
    if rights.refusal is not None:
        return False
    if notice.project:
        return rights.allows(Permission.PROJECT_READ, Scope(notice.project))
    need = BY_CODE.get(notice.needs)
    return need is None or rights.allows(need)


def prepared(person: str, rows: Sequence[Delivery], *, at: datetime) -> Prepared:
    """The one e-mail for several messages to one person, and what of them they may no longer see."""
    rights = rights_of(person, at=at)
    notices = {one.source: one for one in Notice.objects.filter(person=person, source__in=[r.source for r in rows])}
    seen = [row for row in rows if row.source in notices and may_see(notices[row.source], rights)]
    try:
        address = identity.person(person).email
    except NotFound:
        address = ""
    texts, told = _told(seen, at=at) if address and mailing.configured() else ([], [])
    dropped = [row for row in rows if row not in told]
    if not texts:
        return Prepared(dropped=dropped)
    made = mail(texts, settings_url=public(reverse("integrations:preferences")))

    def send() -> tuple[str, bool]:
        try:
            mailing.send(made, to=address)
        except OSError as error:
            return str(error), mailing.refused_for_good(error)
        return "", False

    return Prepared(rows=told, dropped=dropped, send=send)


def _told(rows: Sequence[Delivery], *, at: datetime) -> tuple[list[Message], list[Delivery]]:
    """The messages of rows, and which rows they are; a finding that was put right is not told any more."""
    entries = [row for row in rows if row.source.startswith("entry:")]
    found = dict(
        zip((row.pk for row in entries), messages([Happening.from_json(r.facts) for r in entries]), strict=True)
    )
    others = [row for row in rows if not row.source.startswith("entry:")]
    if others:
        still = finding_notices.messages([json.loads(row.facts) for row in others], at=at)
        found |= {row.pk: message for row, message in zip(others, still, strict=True) if message is not None}
    told = [row for row in rows if row.pk in found]
    return [found[row.pk] for row in told], told
