"""What the directory does with people: add, adopt, change, let go and take back. All inside the write door.

The rules, in the order in which they are asked:

1. a user name belongs to one person that the directory lists; so does an address to one person here;
2. somebody who was here already, by the user name of an earlier record or by address, is adopted once, by an entry;
3. ``active: false`` deactivates: everything of the person ends in this transaction (``access.leaving``);
4. the directory takes back whom the directory let go. Who was deactivated by an administrator comes back by one;
5. removing lets go, and ends roles and memberships for good. The person's row and the log stay.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign.control.access import leaving, provisioning
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import PersonView
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.kernel.ids import new_id
from ensign.control.scim import actions, departures
from ensign.control.scim.domain import GONE, Said, check
from ensign.control.scim.models import DirectoryUser


def create(*, actor: Actor, at: datetime, said: Said) -> str:
    """Add a person, or adopt who is here already; returns their id.

    :raises Invalid: for what cannot be kept. :raises Conflict: by rules 1 and 4.
    """
    check(said)
    if DirectoryUser.objects.filter(user_key=said.key, status="present").exists():
        raise Conflict("The directory lists somebody of this userName already.", code="name-taken")
    known = _known(said)
    if known is None:
        return _add(actor, at, said)
    leaving.hold(known.id)  # locked before the person, as everywhere
    if said.active is not None:
        _require_free_to_return(known, said)
    current = DirectoryUser.objects.select_for_update().filter(pk=known.id).first()
    if current is not None and current.status == "present":
        raise Conflict("The directory lists somebody of this e-mail address already.", code="email-taken")
    departures.hold(known.id)
    signal = _signal(said.active, was=known.status not in GONE)
    _activity(actor, at, known.id, said.active)
    state = {**said.to_state(), "created_at": clock.text(at), "status": "present"}
    staged = [stage(DirectoryUser, id=known.id, state=state, current=current), *_person(known.id, said)]
    detail = {"person": known.id, "again": current is not None, **signal}
    record(action=actions.USER_ADOPTED, actor=actor, at=at, staged=staged, detail=detail)
    departures.told(actor=actor, at=at, person_id=known.id, terminated_at=said.terminated_at)
    return known.id


def change(*, actor: Actor, at: datetime, person_id: str, said: Said, before: Said) -> None:
    """Write what the directory says now. ``before`` is what stood there when the change was worked out.

    :raises NotFound: when the directory lists no such person. :raises Invalid, Conflict: as :func:`create`.
    """
    check(said)
    if said.active is False:
        leaving.hold(person_id)
    current = _listed(person_id)
    if said.key != current.user_key and DirectoryUser.objects.filter(user_key=said.key, status="present").exists():
        raise Conflict("The directory lists somebody of this userName already.", code="name-taken")
    person = identity.person(person_id)
    was = person.status not in GONE
    if said.active and not was:
        _require_free_to_return(person, said)
    departures.hold(person_id)
    _activity(actor, at, person_id, said.active)
    fields = said.changed(before)
    if fields:
        state = {**current.state, **said.to_state()}
        staged = [stage(DirectoryUser, id=person_id, state=state, current=current), *_person(person_id, said)]
        detail = {"person": person_id, "fields": list(fields), **_signal(said.active, was=was)}
        record(action=actions.USER_UPDATED, actor=actor, at=at, staged=staged, detail=detail)
    departures.told(actor=actor, at=at, person_id=person_id, terminated_at=said.terminated_at)


def remove(*, actor: Actor, at: datetime, person_id: str) -> None:
    """Let a person go for good: deactivated, without roles, no longer listed. Only the names they had are kept here.

    :raises NotFound: when the directory lists no such person. :raises Conflict: when nobody could give roles any more.
    """
    leaving.hold(person_id)
    current = _listed(person_id)
    provisioning.hold(person_id)
    if identity.person(person_id).status not in GONE:
        _activity(actor, at, person_id, False)
    kept = Said(user_name=current.state["user_name"], external_id=current.state["external_id"])
    state = {**current.state, **kept.to_state(), "status": "removed"}
    staged = [stage(DirectoryUser, id=person_id, state=state, current=current)]
    detail = {"person": person_id, "signal": "leaver"}
    record(action=actions.USER_REMOVED, actor=actor, at=at, staged=staged, detail=detail)
    provisioning.end_roles(actor=actor, at=at, person_id=person_id)


def _known(said: Said) -> PersonView | None:
    """Somebody who is here already: by the user name of a removed record, the latest first, else by address."""
    removed = DirectoryUser.objects.filter(user_key=said.key, status="removed").order_by("-ledger_seq").first()
    if removed is not None:
        return identity.person(removed.pk)
    return identity.person_by_email(said.address("nobody"))


def _add(actor: Actor, at: datetime, said: Said) -> str:
    id, active = new_id("usr", at=at), said.active is not False
    person = provisioning.stage_new_person(id=id, email=said.address(id), name=said.shown, active=active, by=actor)
    state = {**said.to_state(), "created_at": clock.text(at), "status": "present"}
    listed = stage(DirectoryUser, id=id, state=state)
    detail = {"person": id, "active": active}
    record(action=actions.USER_ADDED, actor=actor, at=at, staged=[person, listed], detail=detail)
    departures.told(actor=actor, at=at, person_id=id, terminated_at=said.terminated_at)
    return id


def _person(person_id: str, said: Said) -> list[Staged]:
    """The person's own row, where address or name follow to something else."""
    name = said.shown or identity.person(person_id).name
    staged = provisioning.stage_person(id=person_id, email=said.address(person_id), name=name)
    return [] if staged is None else [staged]


def _activity(actor: Actor, at: datetime, person_id: str, active: bool | None) -> None:
    """Rules 3 and 4."""
    disabled = identity.person(person_id).status in GONE
    if active is False and not disabled:
        leaving.end_access(actor=actor, at=at, person_id=person_id, detail={"signalled_at": clock.text(at)})
    elif active and disabled:
        leaving.give_back(actor=actor, at=at, person_id=person_id)


def _require_free_to_return(person: PersonView, said: Said) -> None:
    if not said.active or person.status not in GONE:
        return
    state = Person.objects.values_list("content", flat=True).get(pk=person.id)
    if f'"disabled_by":"{identity.DIRECTORY}"' not in state:
        raise Conflict(
            "An administrator of Ensign deactivated this person: the directory does not bring them back.",
            remedy="Reactivate them in Ensign, under People.",
            code="deactivated-by-hand",
        )


def _signal(active: bool | None, *, was: bool) -> dict[str, Any]:
    """What the report of leavers reads: the directory's word, when it differs from how things stood."""
    if active is None or active == was:
        return {}
    return {"signal": "returner" if active else "leaver"}


def _listed(person_id: str) -> DirectoryUser:
    row = DirectoryUser.objects.select_for_update().filter(pk=person_id, status="present").first()
    if row is None:
        raise NotFound("The directory lists no such person.")
    return row
