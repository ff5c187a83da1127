"""How people want to be told by e-mail, kept and read. Nobody's but their own, hence no permission and no entry."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ensign.control.integrations.domain.preferences import Mail, check, read
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.models import Preference
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied
from ensign.control.kernel.transactions import write_door


def of(person: str) -> dict[Topic, Mail]:
    """What holds for somebody."""
    return of_all({person})[person]


def of_all(people: Collection[str]) -> dict[str, dict[Topic, Mail]]:
    """What holds for each: one query."""
    stored = dict(Preference.objects.filter(pk__in=people).values_list("person", "mails"))
    return {person: read(json.loads(stored.get(person, "{}"))) for person in people}


def choose(*, actor: Actor, wanted: Mapping[str, str]) -> dict[Topic, Mail]:
    """Keep what somebody wants; topics that are not named stay as they were.

    :raises Invalid: for what cannot be chosen. :raises Denied: for who is no person.
    """
    if actor.kind != "person":
        raise Denied("Only people are told by e-mail.", permission="own", code="not-a-person")
    checked = check(wanted)
    with write_door():
        row = Preference.objects.filter(pk=actor.id).first()
        kept = {**(json.loads(row.mails) if row else {}), **checked}
        Preference.objects.update_or_create(pk=actor.id, defaults={"mails": json.dumps(kept)})
    return of(actor.id)
