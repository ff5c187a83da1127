"""Claims: what weakens or goes round the controls is an alert, as pressing as the entry itself says that it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.incidents import incidents, opening
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.monitoring import detecting, prometheus, queries
from ensign.control.monitoring import opening as looked_at
from ensign.control.monitoring.domain import detectors
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.facts import Fact
from ensign.control.monitoring.queries import Wanted
from ensign.control.projects import policies
from ensign_testkit.changing import Story, approve, last_entry, launch, live, requested, ruled, story, widen
from ensign_testkit.passkeys import approve_signed, signer
from ensign_testkit.people import add_person

pytestmark = pytest.mark.usefixtures("db")


def alerts(kind: str) -> list[Alert]:
    """Alerts of a kind, newest first, after the worker followed the log."""
    detecting.follow(at=clock.now() + timedelta(days=2))
    reader = queries.Readable(projects=None, organisation=True)
    return [view.alert for view in queries.alerts(reader, Wanted(kind=kind), at=clock.now())]


def look(actors: Iterable[Actor], request: ChangeRequest, cast: Story) -> None:
    """Open the request's page."""
    for actor in actors:
        looked_at.note(actor, request, cast.at)


def test_a_policy_that_asks_for_less_is_pressing_and_one_that_asks_for_more_is_not() -> None:
    cast = story()
    now = policies.policy("shop", "production").rules
    ruled(cast, replace(now, approvals=2))
    assert last_entry("change_request.applied")["detail"]["weakened"] is False
    (stricter,) = alerts("policy-change")
    assert stricter.severity == "medium"
    done = requested(cast, (PolicySet(rules=replace(now, approvals=1)),), author=cast.admin)
    for reviewer in (cast.approver, cast.second):
        approve(cast, done, by=reviewer)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    assert last_entry("change_request.applied")["detail"]["weakened"] is True
    (weaker,) = alerts("policy-change")  # the same policy: what was not judged yet becomes more pressing
    assert (weaker.id, weaker.severity, weaker.count) == (stricter.id, "high", 2)
    assert weaker.facts == {"weakened": "yes"}
    assert {cast.admin.id, cast.approver.id} <= set(weaker.caused_by)


def test_breaking_the_glass_and_using_it_are_one_alert_with_every_entry() -> None:
    cast = story()
    live(cast)
    ray = add_person("Ray Responder", "responder", at=cast.at)
    declared = incidents.declare(
        actor=cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    opened = opening.break_glass(
        actor=ray, at=cast.at, incident_id=declared.incident.id, reason="Checkout fails for everybody.",
        project="shop", environment="production",
    )  # fmt: skip
    opening.propose_emergency(
        actor=ray, at=cast.later(minutes=1), emergency_id=opened.id, operations=widen(50), title="Widen"
    )
    (one,) = alerts("break-glass")
    actions = ("break_glass.opened", "break_glass.used", "change_request.applied")
    assert set(one.evidence) == {last_entry(action)["seq"] for action in actions}
    assert (one.severity, one.subject, one.project, one.environment) == ("high", ray.id, "shop", "production")
    assert ray.id in one.caused_by


def test_an_approval_by_a_key_that_was_made_just_before_is_told() -> None:
    cast = story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    look([cast.approver], done.request, cast)
    approve_signed(cast.approver, passkey, done.request, at=clock.now())
    (one,) = alerts("fresh-key")
    assert (one.severity, one.subject, one.caused_by) == ("medium", cast.approver.id, (cast.approver.id,))
    assert one.evidence == (last_entry("change_request.approved")["seq"],)


def test_an_approval_without_a_signature_has_no_key_to_be_fresh() -> None:
    cast = story()
    approve(cast, requested(cast, launch()))
    assert alerts("fresh-key") == []


def test_a_key_is_fresh_for_a_day() -> None:
    at = clock.now()
    fact = Fact(seq=1, at=at, action="change_request.approved", actor="usr_a", kind="person", via="session")
    for age, found in ((0, True), (23 * 60 + 59, True), (24 * 60, False), (5_000, False)):
        assert (detectors.fresh_key(fact, made_at=at - timedelta(minutes=age)) is not None) is found, age
    assert detectors.fresh_key(fact, made_at=None) is None


def test_another_prometheus_is_told_as_safeguards_believe_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_PROMETHEUS_ALLOW", "127.0.0.0/8")
    cast = story()
    prometheus.choose(actor=cast.admin, at=cast.at, url="http://127.0.0.1:9")
    (one,) = alerts("monitoring-changed")
    assert (one.severity, one.subject, one.facts) == ("medium", "prometheus", {"source": "prometheus"})
