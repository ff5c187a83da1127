"""Claims: home shows incidents, emergency changes and alerts to whom each matters, and to nobody else."""

from __future__ import annotations

import pytest
from django.test import Client
from ensign.control.incidents import incidents, opening
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import raising
from ensign_testkit.alerting import a_finding
from ensign_testkit.changing import Story, live, story, widen
from ensign_testkit.people import add_person, sign_in

pytestmark = pytest.mark.usefixtures("db")


def home(actor: Actor) -> str:
    """The home page as somebody sees it."""
    return sign_in(Client(), actor).get("/").content.decode()


def raised(cast: Story, *, caused_by: Actor, kind: str = "rare-actor") -> str:
    with write_door():
        found = a_finding(
            kind, subject=caused_by.id, caused_by=(caused_by.id,), project="shop", environment="production"
        )
        (alert,) = raising.raise_all([found], at=cast.at)
    return alert.id


def test_an_incident_that_goes_on_is_on_the_home_page_of_who_may_read_it_until_it_is_resolved() -> None:
    cast = story()
    made = incidents.declare(
        actor=cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    stranger = add_person("Bea Elsewhere", "developer", project="bank", at=cast.at)
    assert "an incident goes on since" in home(cast.other)
    assert made.incident.id in home(cast.other)
    assert made.incident.id not in home(stranger)
    incidents.resolve(actor=cast.dev, at=cast.later(minutes=1), incident_id=made.incident.id)
    assert made.incident.id not in home(cast.other)


def test_an_alert_is_shown_to_who_may_judge_it_and_not_to_who_took_part() -> None:
    cast = story()
    first = raised(cast, caused_by=cast.dev)
    assert f"/alerts/{first}" in home(cast.approver)
    assert first not in home(cast.dev)
    assert first not in home(cast.viewer)
    raised(cast, caused_by=cast.other)
    assert "2 alerts wait for a verdict" in home(cast.approver)


def test_an_emergency_change_waits_for_whoever_may_review_it_and_had_no_part() -> None:
    cast = story()
    live(cast)
    ray = add_person("Ray Responder", "responder", at=cast.at)
    incident = incidents.declare(
        actor=cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    opened = opening.break_glass(
        actor=ray, at=cast.at, incident_id=incident.incident.id, reason="Checkout fails for everybody.",
        project="shop", environment="production",
    )  # fmt: skip
    assert "its review is due" not in home(cast.approver), "it still goes on, which every page says"
    opening.propose_emergency(actor=ray, at=clock.now(), emergency_id=opened.id, operations=widen(50), title="Widen")
    opening.end(actor=ray, at=clock.now(), emergency_id=opened.id)
    page = home(cast.approver)
    assert opened.id in page
    assert "its review is due" in page
    assert "An emergency change was made without approval" in page
    for other in (ray, cast.viewer):
        assert "its review is due" not in home(other)
