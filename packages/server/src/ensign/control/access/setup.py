"""The set-up of the first person: the one time that somebody is given roles by nobody else."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access import duties, exceptions, segregation, staging
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.presets import PRESETS, Preset
from ensign.control.access.roles import FIRST_PERSON, ROLES
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, links, queries
from ensign.control.identity.actions import PERSON_SET_UP
from ensign.control.identity.domain import PersonView, check_password, clean_email, clean_name
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid

#: What stands in for segregation of duties while the first person holds everything, if the preset states nothing.
ALONE = (
    "Nobody approves what they wrote or edited, whatever roles they hold; every role given and every change is in the"
    " log. Until others share the work, somebody independent reads both every week."
)


@operation
def set_up(
    *,
    actor: Actor,  # noqa: ARG001  # who follows the link is nobody yet; the entry is the new person's
    at: datetime,
    link: str,
    name: str,
    email: str,
    password: str,
    preset: str,
    organisation: str,
    control: str = "",
) -> PersonView:
    """Make the first person, with the roles of ``roles.FIRST_PERSON``, and record the preset, all in one entry.

    The roles meet in pairs that nobody else may hold: an exception that ends after 90 days says so in the same entry.

    ``control`` is the compensating control as this organisation states it; the preset's own words if empty.

    :raises NotFound: when the link is unknown.
    :raises Conflict: when it was used or has expired, or somebody has been set up already.
    :raises Invalid: naming the field.
    """
    found = links.consume(link, "setup", at=at)
    if queries.anybody():
        raise Conflict("Ensign has been set up already.", remedy="Sign in, or ask an administrator to invite you.")
    try:
        chosen = PRESETS[Preset(preset)]
    except ValueError as error:
        raise Invalid("No preset was chosen.", fields={"preset": "Choose how changes are approved."}) from error
    name, email = clean_name(name), clean_email(email)
    check_password(password, about=(email, name, organisation))
    control = " ".join(control.split()) or chosen.control
    if len(control) > 1000:
        raise Invalid("The control is too long.", fields={"control": "Use at most 1,000 characters."})
    person = accounts.stage_new_person(email=email, name=name, status="active", at=at)
    grants = [
        staging.stage_grant(
            subject=person.id,
            role=role,
            scope=ORGANISATION,
            granted_by=person.id,
            starts_at=at,
            ends_at=None,
            at=at,
        )
        for role in FIRST_PERSON
    ]
    decided = staging.stage_organisation(
        name=clean_name(organisation, field="organisation"),
        preset=chosen.key,
        control=control if chosen.key is Preset.SOLO else "",
        at=at,
    )
    apart = duties.overlaps(
        segregation.wished(subject=person.id, role=ROLES[role], scope=ORGANISATION, at=at) for role in FIRST_PERSON
    )
    keys = sorted({overlap.pair.key for overlap in apart})
    excepted = exceptions.stage_setup(person.id, keys, control=control or ALONE, at=at)
    first = Actor(kind="person", id=person.id, via="setup")
    detail = {"link": found.id, "preset": str(chosen.key), "approvals": chosen.approvals, "roles": list(FIRST_PERSON)}
    record(action=PERSON_SET_UP, actor=first, at=at, staged=[person, decided, excepted, *grants], detail=detail)
    accounts.open_account(person.id, email=email, password=password)
    return queries.person(person.id)
