"""Claims: while an incident goes on, who may break the glass is led there from a request, and back; nobody else is."""

from __future__ import annotations

import pytest
from django.test import Client
from ensign.control.changes.domain.flag_operations import FlagArchive
from ensign.control.incidents import incidents, opening
from ensign.control.kernel.actor import Actor
from ensign_testkit.changing import Story, config, live, requested, story, widen
from ensign_testkit.people import add_person, sign_in

PLACE = {"project": "shop", "environment": "production"}


def page(actor: Actor, id: str) -> str:
    return sign_in(Client(), actor).get(f"/requests/{id}").content.decode()


@pytest.fixture
def cast(db: str) -> Story:
    cast = story()
    live(cast)
    return cast


def incident(cast: Story) -> str:
    made = incidents.declare(
        actor=cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    return made.incident.id


OFFER, APPLY = "Break the glass", "Apply without approval"


def test_a_responder_is_led_to_the_incident_and_with_the_glass_broken_applies_at_once(cast: Story) -> None:
    ray = add_person("Ray Responder", "responder", at=cast.at)
    waiting = requested(cast, widen(75)).request.id
    assert OFFER not in page(ray, waiting)
    found = incident(cast)
    offered = page(ray, waiting)
    assert f"/incidents/{found}#id_break-glass-reason" in offered
    assert APPLY not in offered
    assert OFFER not in page(cast.viewer, waiting)
    assert OFFER not in page(cast.dev, waiting)
    opened = opening.break_glass(actor=ray, at=cast.at, incident_id=found, reason="Nobody is awake now.", **PLACE)
    assert APPLY in page(ray, waiting)
    assert APPLY not in page(cast.dev, waiting)
    target = f"/emergencies/{opened.id}/act"
    assert target in page(ray, waiting)
    answer = sign_in(Client(), ray).post(target, {"act": "apply", "request": waiting})
    assert answer.status_code == 303
    assert config().strategies[0].parameters["rollout"] == "75"
    assert APPLY not in page(ray, waiting)


def test_an_access_to_another_flag_offers_nothing_to_apply(cast: Story) -> None:
    ray = add_person("Ray Responder", "responder", at=cast.at)
    waiting = requested(cast, widen(75)).request.id
    opening.break_glass(
        actor=ray, at=cast.at, incident_id=incident(cast), reason="Nobody is awake now.", flags=["old-banner"], **PLACE
    )
    assert APPLY not in page(ray, waiting)
    assert OFFER in page(ray, waiting)


def test_what_is_never_an_emergency_offers_no_way(cast: Story) -> None:
    ray = add_person("Ray Responder", "responder", at=cast.at)
    incident(cast)
    assert OFFER not in page(ray, requested(cast, (FlagArchive(flag="old-banner"),)).request.id)


def test_the_incident_leads_to_the_open_requests_of_its_place(cast: Story) -> None:
    waiting = requested(cast, widen(75)).request
    found = sign_in(Client(), cast.dev).get(f"/incidents/{incident(cast)}").content.decode()
    target = "/projects/shop/requests?show=open&amp;environment=production"
    assert target in found
    listed = sign_in(Client(), cast.dev).get(target.replace("&amp;", "&")).content.decode()
    assert f"/requests/{waiting.id}" in listed
