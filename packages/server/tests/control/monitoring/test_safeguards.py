"""Claims: a safeguard acts once, as its service account, on what its source really says; no data is no breach."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from ensign.control.access import service_accounts
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.incidents import operations as incidents
from ensign.control.incidents import queries as kills
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.monitoring import checking, detecting, firing, guarding, impact, judging, prometheus, secrets
from ensign.control.monitoring.domain.safeguards import Reading, Safeguard, Source
from ensign.control.monitoring.guarding import Made, SafeguardWish
from ensign.control.monitoring.models import Alert, Secret
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.releases.guards import Question
from ensign_testkit.changing import FLAG, Story, config, last_entry, live, story
from ensign_testkit.people import add_service
from ensign_testkit.prometheus import BAD_QUERY, Prometheus, scalar, vector
from ensign_testkit.prometheus import prometheus as serving

pytestmark = pytest.mark.usefixtures("db")

QUERY = 'sum(rate(http_errors_total{flag="new-checkout"}[1m]))'
MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": []}}
_serial = itertools.count()
PROMETHEUS = Source(kind="prometheus", query=QUERY)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Prometheus]:
    """A Prometheus on this machine, which who runs the server allows to be asked."""
    monkeypatch.setenv("ENSIGN_PROMETHEUS_ALLOW", "127.0.0.0/8")
    with serving() as told:
        yield told


def account(cast: Story, *roles: str) -> Actor:
    return add_service(f"guard-{next(_serial)}", *(roles or ("developer",)), owner=cast.dev.id)


def made(
    cast: Story, source: Source = PROMETHEUS, *, key: str = "errors", by: Actor | None = None, **more: Any
) -> Made:
    wish: dict[str, Any] = {"threshold": "0.05", "checks": 2, **more}
    wish.setdefault("account", account(cast).id)
    return guarding.make(
        actor=by or cast.dev, at=cast.at, project="shop", environment="production", key=key,
        wish=SafeguardWish(flag=FLAG, source=source, **wish),
    )  # fmt: skip


def chosen(cast: Story, url: str, **more: Any) -> None:
    prometheus.choose(actor=cast.admin, at=cast.at, url=url, **more)


def stored(made: Made) -> Safeguard:
    row = Row.objects.get(pk=made.safeguard.id)
    return Safeguard.from_state(row.pk, row.state)


def checks(cast: Story, times: int = 1, *, after: int = 0) -> None:
    for n in range(times):
        checking.check(at=cast.later(seconds=15 * (n + 1 + after)), now=clock.now)


def test_a_metric_that_stays_too_high_switches_the_flag_off_once(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast)
    chosen(cast, server.url)
    server.answers[QUERY] = vector("0.21")
    checks(cast)
    assert config().enabled
    checks(cast, after=1)
    assert not config().enabled
    entry = last_entry("safeguard.fired")
    assert entry["actor"] == {"kind": "service", "id": guard.safeguard.account, "via": "system"}
    assert entry["where"] == {"project": "shop", "environment": "production"}
    detail = entry["detail"]
    assert (detail["safeguard"], detail["value"], detail["threshold"], detail["outcome"]) == (
        guard.safeguard.id, "0.21", "0.05", "done",
    )  # fmt: skip
    applied = last_entry("change_request.applied")
    assert (applied["approval"]["mode"], applied["actor"]["id"]) == ("standard", guard.safeguard.account)
    (kill,) = kills.kills()
    assert kill.reason == "The safeguard errors acted: 0.21 is above 0.05."
    count = Entry.objects.count()
    checks(cast, 5, after=2)
    assert Entry.objects.count() == count
    assert inspect.verify().ok


def test_a_breach_that_ends_in_time_is_forgotten(server: Prometheus) -> None:
    cast = story()
    live(cast)
    made(cast, checks=3)
    chosen(cast, server.url)
    for n, value in enumerate(("0.2", "0.2", "0.01", "0.2", "0.2")):
        server.answers[QUERY] = vector(value)
        checks(cast, after=n)
    assert config().enabled
    checks(cast, after=5)
    assert not config().enabled


@pytest.mark.parametrize(
    ("answer", "status", "problem"),
    [
        (vector(), 200, "the query finds nothing"),
        (vector("NaN"), 200, "it is no number"),
        (vector("1", "2"), 200, "the query gives several series: sum them up or take one"),
        (BAD_QUERY, 400, "Prometheus refuses the query (400: bad_data)"),
        (MATRIX, 200, "the query gives no single number"),
        (["nonsense"], 200, "Prometheus refuses the query (200)"),
    ],
)  # fmt: skip
def test_no_data_is_no_breach_and_says_why(server: Prometheus, answer: Any, status: int, problem: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, above=False)  # below the threshold would be too much: nothing at all is not zero
    chosen(cast, server.url)
    server.answers[QUERY], server.status = answer, status
    checks(cast, 4)
    assert config().enabled
    assert checking.watch_of(guard.safeguard.id).problem == problem


def test_a_scalar_counts_and_infinity_is_a_number(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast, checks=1)
    chosen(cast, server.url)
    server.answers[QUERY] = scalar("0.01")
    checks(cast)
    assert checking.watch_of(guard.safeguard.id).value == "0.01"
    server.answers[QUERY] = vector("+Inf")
    checks(cast, after=1)
    assert not config().enabled


def test_silence_for_long_is_an_alert_once_until_there_is_data_again(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast, no_data_minutes=5)
    chosen(cast, server.url)

    def round_at(minutes: float) -> list[str]:
        checking.check(at=cast.later(minutes=minutes), now=clock.now)
        return list(Alert.objects.values_list("subject", flat=True))

    assert round_at(1) == []
    assert round_at(5.5) == []
    assert round_at(6.1) == [guard.safeguard.id]
    count = Entry.objects.count()
    assert round_at(7) == [guard.safeguard.id]
    assert Entry.objects.count() == count
    server.answers[QUERY] = vector("0")
    round_at(8)
    assert checking.watch_of(guard.safeguard.id).silent_since is None


def test_a_server_that_does_not_answer_takes_one_rounds_time_and_the_others_are_judged(server: Prometheus) -> None:
    cast = story()
    live(cast)
    chosen(cast, server.url)
    service = account(cast).id
    hanging = [
        made(cast, Source(kind="prometheus", query="hang"), key=f"hang-{n}", account=service) for n in range(3)
    ]  # fmt: skip
    guard = made(cast, checks=1, account=service)
    server.answers[QUERY] = vector("1")
    done = threading.Event()

    def one_round() -> None:
        from django.db import connection

        checking.check(at=cast.later(seconds=15), now=clock.now, budget=1.0)
        connection.close()
        done.set()

    thread = threading.Thread(target=one_round)
    thread.start()
    thread.join(30)
    assert done.is_set()
    assert stored(guard).status == "fired"
    assert all(stored(one).status == "armed" for one in hanging)


def test_nobody_at_the_address_is_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_PROMETHEUS_ALLOW", "127.0.0.0/8")
    cast = story()
    guard = made(cast)
    chosen(cast, "http://127.0.0.1:1")
    checks(cast)
    assert checking.watch_of(guard.safeguard.id).problem == "Prometheus does not answer"


def test_an_internal_address_is_asked_only_where_who_runs_the_server_allows_it(
    server: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = story()
    guard = made(cast)
    monkeypatch.delenv("ENSIGN_PROMETHEUS_ALLOW")
    with pytest.raises(Invalid, match="not a public address"):
        chosen(cast, server.url)
    monkeypatch.setenv("ENSIGN_PROMETHEUS_ALLOW", "127.0.0.0/8")
    chosen(cast, server.url)
    monkeypatch.delenv("ENSIGN_PROMETHEUS_ALLOW")  # decided again at every call
    checks(cast)
    assert "not a public address" in checking.watch_of(guard.safeguard.id).problem
    assert server.asked == []


def test_credentials_are_sealed_sent_and_never_logged(server: Prometheus) -> None:
    cast = story()
    made(cast)
    chosen(cast, server.url, credentials="bearer", secret="s3cret-token")
    checks(cast)
    assert server.authorizations == ["Bearer s3cret-token"]
    assert "s3cret" not in Secret.objects.get(pk="prometheus").sealed
    assert not Entry.objects.filter(body__contains="s3cret").exists()
    with pytest.raises(Invalid):
        chosen(cast, "http://127.0.0.1:2", credentials="bearer")  # a secret does not move to another address by itself
    chosen(cast, server.url)
    assert not Secret.objects.exists()


def test_who_makes_one_needs_the_right_to_do_it_by_hand_and_so_does_its_account(server: Prometheus) -> None:
    cast = story()
    with pytest.raises(Denied):
        made(cast, by=cast.approver)
    with pytest.raises(Invalid) as caught:
        made(cast, account=add_service("weak", "viewer").id)
    assert "flag:kill" in caught.value.fields["account"]
    with pytest.raises(Invalid):
        made(cast, account=cast.dev.id)
    assert made(cast).safeguard.status == "armed"
    with pytest.raises(Conflict):
        made(cast, account=Row.objects.get().state["account"])


def test_an_account_that_lost_its_right_does_not_act_and_that_is_pressing(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast, checks=1)
    chosen(cast, server.url)
    service_accounts.disable(actor=cast.admin, at=cast.at, service_account_id=guard.safeguard.account)
    server.answers[QUERY] = vector("1")
    checks(cast)
    assert config().enabled
    assert last_entry("safeguard.fired")["detail"]["outcome"] == "failed"
    detecting.follow(at=cast.later(minutes=2))
    assert list(Alert.objects.filter(kind="safeguard-failed").values_list("severity", flat=True)) == ["high"]


def test_a_flag_that_is_off_already_is_told_apart(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast, checks=1)
    incidents.kill(
        actor=cast.dev, at=cast.at, project="shop", environment="production", flag=FLAG, now=clock.now
    )  # fmt: skip
    firing.fire(guard.safeguard, Reading(value=1.0), at=cast.later(minutes=1), now=clock.now)
    assert stored(guard).outcome == "already"
    assert len(kills.kills()) == 1


def test_only_a_person_lets_it_watch_again_and_it_counts_anew(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast)
    chosen(cast, server.url)
    server.answers[QUERY] = vector("1")
    checks(cast, 2)
    assert stored(guard).status == "fired"
    with pytest.raises(Denied):
        guarding.rearm(actor=cast.viewer, at=cast.later(minutes=5), safeguard_id=guard.safeguard.id)
    guarding.rearm(actor=cast.dev, at=cast.later(minutes=5), safeguard_id=guard.safeguard.id, reason="Fixed.")
    checks(cast, after=21)
    assert stored(guard).status == "armed"
    with pytest.raises(Conflict):
        guarding.rearm(actor=cast.dev, at=cast.later(minutes=6), safeguard_id=guard.safeguard.id)
    guarding.end(actor=cast.dev, at=cast.later(minutes=7), safeguard_id=guard.safeguard.id)
    count = Entry.objects.count()
    checks(cast, 3, after=30)
    assert Entry.objects.count() == count


def test_changing_one_keeps_its_place_and_needs_the_same(server: Prometheus) -> None:
    cast = story()
    guard = made(cast)
    wish = SafeguardWish(flag=FLAG, source=PROMETHEUS, account=guard.safeguard.account, threshold="0.5")
    changed = guarding.change(actor=cast.dev, at=cast.at, safeguard_id=guard.safeguard.id, wish=wish)
    assert changed.threshold == "0.5"
    with pytest.raises(Denied):
        guarding.change(actor=cast.viewer, at=cast.at, safeguard_id=guard.safeguard.id, wish=wish)
    with pytest.raises(Invalid):
        guarding.change(
            actor=cast.dev, at=cast.at, safeguard_id=guard.safeguard.id,
            wish=SafeguardWish(flag="old-banner", source=PROMETHEUS, account=guard.safeguard.account),
        )  # fmt: skip


def reported(values: dict[str, float]) -> Callable[[], bytes]:
    """What delivery shows of impact metrics, in Prometheus's text format."""

    def read() -> bytes:
        lines = ["# TYPE errors counter", "# TYPE requests counter"]
        for name, value in values.items():
            for environment in ("production", "staging"):
                factor = 1 if environment == "production" else 100
                lines.append(f'{name}_total{{appName="web",environment="{environment}"}} {value * factor}')
        return ("\n".join(lines) + "\n").encode()

    return read


@pytest.fixture
def _no_totals() -> Iterator[None]:
    impact.forget()
    yield
    impact.unregister("test")
    impact.forget()


@pytest.mark.usefixtures("_no_totals")
def test_what_sdks_measure_in_the_environment_is_held_against_the_threshold() -> None:
    cast = story()
    live(cast)
    values = {"errors": 10.0, "requests": 1000.0}
    impact.register("test", reported(values))
    source = Source(
        kind="impact", measure="ratio", metric="errors", per="requests", minutes=1, labels={"appName": "web"}
    )
    guard = made(cast, source, checks=1)
    checks(cast, 2)
    assert checking.watch_of(guard.safeguard.id).problem == "it has not been watched for as long as it looks back"
    values.update(errors=11.0, requests=1100.0)
    checks(cast, after=4)
    assert checking.watch_of(guard.safeguard.id).value == "0.01"
    values.update(errors=41.0, requests=1200.0)
    checks(cast, after=7)
    assert not config().enabled
    assert last_entry("safeguard.fired")["detail"]["source"] == "impact"


@pytest.mark.usefixtures("_no_totals")
def test_a_worker_apart_from_the_server_says_that_it_cannot_see_impact_metrics() -> None:
    cast = story()
    for name in list(impact._readers):
        impact.unregister(name)
    guard = made(cast, Source(kind="impact", metric="errors", minutes=1))
    checks(cast)
    assert "ask Prometheus instead" in checking.watch_of(guard.safeguard.id).problem


def test_a_ramp_asks_its_safeguards_by_key(server: Prometheus) -> None:
    cast = story()
    live(cast)
    guard = made(cast)
    chosen(cast, server.url)

    def said(minutes: float = 1) -> dict[str, str]:
        question = Question(
            names=("errors", "others"), project="shop", environment="production", flag=FLAG,
            at=cast.at + timedelta(minutes=minutes), since=cast.at,
        )  # fmt: skip
        return {name: one.state for name, one in judging.judge(question).items()}

    assert said() == {"errors": "unknown"}
    server.answers[QUERY] = vector("0")
    checks(cast)
    assert said() == {"errors": "good"}
    assert said(10) == {"errors": "unknown"}  # nobody has looked for long
    server.answers[QUERY] = vector("1")
    checks(cast, after=1)
    assert said() == {"errors": "unknown"}
    checks(cast, after=2)
    assert said() == {"errors": "bad"}
    guarding.end(actor=cast.dev, at=cast.later(minutes=2), safeguard_id=guard.safeguard.id)
    assert said() == {}


def test_secrets_are_forgotten_with_the_safeguard() -> None:
    cast = story()
    guard = made(cast, Source(kind="webhook"))
    assert secrets.reveal(guard.safeguard.id) == guard.secret
    assert guard.secret.startswith("whsec_")
    guarding.end(actor=cast.dev, at=cast.at, safeguard_id=guard.safeguard.id)
    assert not Secret.objects.exists()
