"""Claims: what a safeguard does reaches the ramp that really runs and the flag that is on, in a freeze, too."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from ensign.control.audit import inspect
from ensign.control.changes import operations as door
from ensign.control.changes.domain.ramp_operations import OnBreach
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.monitoring import firing, guarding
from ensign.control.monitoring.domain.safeguards import Act, Reading, Safeguard, Source
from ensign.control.monitoring.guarding import SafeguardWish
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.projects.demands import Freeze
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases import operations, running
from ensign.control.releases.domain import Ramp
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    by_token,
    config,
    last_entry,
    launch,
    live,
    requested,
    ruled,
    story,
)
from ensign_testkit.people import add_service, sign_in
from ensign_testkit.ramping import later, now, percent, ramping

pytestmark = pytest.mark.usefixtures("db")


def guarded(cast: Story, act: Act, key: str = "errors") -> Safeguard:
    """A safeguard of the flag in production that a signed webhook sets off; its account is a developer's."""
    account = add_service(f"guard-{key}", "developer", owner=cast.dev.id)
    wish = SafeguardWish(
        flag=FLAG, source=Source(kind="webhook", path="value"), account=account.id, act=act, threshold="0.05", checks=1
    )
    return guarding.make(
        actor=cast.dev, at=cast.at, project="shop", environment="production", key=key, wish=wish
    ).safeguard


def fired(one: Safeguard, ramp: Ramp, *, minutes: float) -> Safeguard:
    """The safeguard saw too much so many minutes after the ramp began."""
    done = firing.fire(one, Reading(value=0.21), at=later(ramp, minutes), now=clock.now)
    assert done is not None
    return done


def test_a_ramp_that_runs_pauses_and_goes_on_once_a_person_armed_it_again() -> None:
    cast = story()
    one = guarded(cast, "pause")
    ramp = ramping(cast, guards=["errors"])
    running.tick(at=later(ramp, 60))
    assert percent() == 25
    assert fired(one, ramp, minutes=70).outcome == "done"
    paused = now(ramp)
    assert (paused.status, percent()) == ("paused", 25)
    assert paused.pause is not None
    assert (paused.pause.safeguard, paused.pause.by) == (True, one.account)
    assert paused.pause.reason == "The safeguard errors acted: 0.21 is above 0.05."
    assert last_entry("ramp.paused")["actor"]["id"] == one.account
    assert last_entry("safeguard.fired")["detail"]["ramps"] == [ramp.id]
    running.tick(at=later(ramp, 600))
    assert percent() == 25
    with pytest.raises(Denied):
        operations.resume(actor=by_token(cast.dev), at=later(ramp, 601), ramp_id=ramp.id)
    operations.resume(actor=cast.dev, at=later(ramp, 601), ramp_id=ramp.id)
    running.tick(at=later(ramp, 602))  # it has not been armed again: nobody watches
    assert now(ramp).status == "paused"
    guarding.rearm(actor=cast.dev, at=later(ramp, 610), safeguard_id=one.id, reason="The exporter was at fault.")
    operations.resume(actor=cast.dev, at=later(ramp, 611), ramp_id=ramp.id)
    running.tick(at=later(ramp, 671))
    assert (now(ramp).status, percent()) == ("running", 50)
    assert inspect.verify().ok


@pytest.mark.parametrize(("on_breach", "status", "share"), [("roll_back", "rolled_back", 1), ("pause", "paused", 25)])
def test_a_guard_of_the_plan_does_what_the_plan_says(on_breach: OnBreach, status: str, share: int) -> None:
    """The plan was approved with what follows on a breach; that it is a safeguard which saw it changes nothing."""
    cast = story()
    one = guarded(cast, "pause")
    ramp = ramping(cast, guards=["errors"], on_breach=on_breach)
    running.tick(at=later(ramp, 60))
    fired(one, ramp, minutes=70)
    running.tick(at=later(ramp, 71))
    assert (now(ramp).status, percent()) == (status, share)
    assert inspect.verify().ok


def test_a_safeguard_that_the_plan_does_not_name_pauses_it_all_the_same_and_rolls_nothing_back() -> None:
    cast = story()
    guarded(cast, "pause")
    other = guarded(cast, "pause", "latency")
    ramp = ramping(cast, guards=["errors"], on_breach="roll_back")
    fired(other, ramp, minutes=10)
    running.tick(at=later(ramp, 11))
    assert (now(ramp).status, percent()) == ("paused", 5)


def test_a_ramp_that_somebody_paused_by_hand_is_held_by_the_safeguard_from_then_on() -> None:
    cast = story()
    one = guarded(cast, "pause")
    ramp = ramping(cast, guards=["errors"])
    operations.pause(actor=cast.dev, at=later(ramp, 5), ramp_id=ramp.id, reason="Lunch.")
    assert fired(one, ramp, minutes=6).outcome == "done"
    with pytest.raises(Denied):
        operations.resume(actor=by_token(cast.dev), at=later(ramp, 7), ramp_id=ramp.id)


def test_without_a_ramp_there_is_nothing_to_pause_and_the_flag_stays_on() -> None:
    cast = story()
    one = guarded(cast, "pause")
    live(cast)
    done = firing.fire(one, Reading(value=0.21), at=cast.later(minutes=1), now=clock.now)
    assert done is not None
    assert (done.outcome, config().enabled) == ("already", True)


def test_in_a_freeze_a_safeguard_switches_off_and_nobody_switches_on() -> None:
    cast = story()
    live(cast)
    one = guarded(cast, "off")
    freeze = Freeze(name="Sale", start=clock.text(cast.at), end=clock.text(cast.at + timedelta(hours=30)))
    ruled(cast, PolicyRules(approvals=1, freezes=(freeze,)))
    done = firing.fire(one, Reading(value=0.21), at=cast.later(minutes=5), now=clock.now)
    assert done is not None
    assert (done.outcome, config().enabled) == ("done", False)
    assert last_entry("change_request.applied")["approval"]["mode"] == "standard"
    again = requested(cast, launch()[1:])
    approve(cast, again)
    with pytest.raises(Conflict) as refused:
        door.apply(actor=cast.dev, at=cast.later(minutes=6), request_id=again.request.id)
    assert refused.value.code == "frozen"
    assert inspect.verify().ok


def test_a_flag_that_a_safeguard_switched_off_takes_no_further_step() -> None:
    cast = story()
    one = guarded(cast, "off")
    ramp = ramping(cast, guards=["errors"])
    fired(one, ramp, minutes=10)
    running.tick(at=later(ramp, 60))
    assert (now(ramp).status, percent(), config().enabled) == ("paused", 5, False)


def test_a_safeguard_that_acts_never_acts_a_second_time() -> None:
    cast = story()
    one = guarded(cast, "pause")
    ramp = ramping(cast)
    fired(one, ramp, minutes=10)
    operations.resume(actor=cast.dev, at=later(ramp, 11), ramp_id=ramp.id)
    assert firing.fire(one, Reading(value=0.9), at=later(ramp, 12), now=clock.now) is None
    assert now(ramp).status == "running"
    assert Row.objects.get(pk=one.id).state["status"] == "fired"


def test_the_flags_page_shows_what_guards_it_where_and_how_it_stands() -> None:
    cast = story()
    one = guarded(cast, "pause")
    ended = guarded(cast, "off", "old")
    guarding.end(actor=cast.dev, at=cast.at, safeguard_id=ended.id)
    live(cast)
    page = f"/projects/shop/flags/{FLAG}"
    text = sign_in(Client(), cast.viewer).get(page).content.decode()
    column = text[text.index('id="in-production"') :]
    assert f'href="/projects/shop/safeguards/{one.id}"' in column
    assert "pauses the flag&#x27;s running ramp above 0.05" in column
    assert "Armed" in column
    assert text.count('<h3 class="small">Safeguards</h3>') == 1
    assert ended.id not in text
    firing.fire(one, Reading(value=0.21), at=cast.later(minutes=1), now=clock.now)
    assert "Has acted" in sign_in(Client(), cast.viewer).get(page).content.decode()


def test_a_form_without_the_number_to_hold_against_asks_for_it_and_keeps_what_was_typed() -> None:
    cast = story()
    account = add_service("guard", "developer", owner=cast.dev.id)
    page = "/projects/shop/safeguards/new"
    client = sign_in(Client(), cast.dev)
    typed = {
        "flag": FLAG, "environment": "production", "key": "errors", "act": "off", "account": account.id,
        "source": "prometheus", "query": "sum(errors)", "direction": "above", "checks": "3", "no_data_minutes": "15",
    }  # fmt: skip
    refused = client.post(page, typed)
    assert refused.status_code == 422
    assert "Give the number from which on it is too much" in refused.content.decode()
    assert "sum(errors)" in refused.content.decode()
    assert not Row.objects.exists()
    assert client.post(page, {**typed, "threshold": "0.05"}).status_code == 302
    by_alert = {**typed, "key": "pages", "source": "alertmanager", "labels": "alertname=Errors", "query": ""}
    assert client.post(page, by_alert).status_code == 200, "an alert decides by itself, and its token is shown"
