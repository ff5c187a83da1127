"""Claims about impact metrics (wire contracts, 3.7): added up as meant, bounded, and never in a report's way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ensign.delivery import impact
from ensign.delivery.impact import Impact, sanitised
from ensign_testkit.waiting import until
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

METRICS = "/api/client/metrics"
FRONTEND = "shop:production.frontend-secret"
OURS = {"appName": "app", "environment": "production", "origin": "sdk"}


def counter(name: str, value: object, **labels: object) -> dict[str, Any]:
    return {"name": name, "help": "h", "type": "counter", "samples": [{"labels": labels, "value": value}]}


def gauge(name: str, value: object, **labels: object) -> dict[str, Any]:
    return {**counter(name, value, **labels), "type": "gauge"}


def histogram(name: str, counts: list[float], *, bounds: tuple[object, ...] = (0.1, "+Inf"), total: float = 1.0) -> Any:
    buckets = [{"le": bound, "count": count} for bound, count in zip(bounds, counts, strict=True)]
    sample = {"labels": {}, "count": counts[-1], "sum": total, "buckets": buckets}
    return {"name": name, "help": "h", "type": "histogram", "samples": [sample]}


def shown(held: Impact) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, read back from the text as Prometheus reads it."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(held.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def took(*reports: list[Any], app: str = "app") -> dict[str, list[tuple[dict[str, str], float]]]:
    held = Impact()
    for report in reports:
        held.take(report, app=app, environment="production")
    return shown(held)


def test_counters_and_histograms_add_up_and_gauges_show_the_latest() -> None:
    found = took(
        [counter("sales", 2), gauge("stock", 7.5), histogram("wait", [1, 3], total=0.5)],
        [counter("sales", 3), gauge("stock", 6), histogram("wait", [2, 2], total=0.25)],
        [counter("sales", 0), {"name": "stock", "type": "gauge", "samples": []}, histogram("wait", [0, 0], total=0)],
    )
    assert found["sales_total"] == [({**OURS, "metric_type": "counter"}, 5)]
    assert found["stock"] == [({**OURS, "metric_type": "gauge"}, 6)]
    assert [(labels["le"], value) for labels, value in found["wait_bucket"]] == [("0.1", 3), ("+Inf", 5)]
    assert found["wait_count"][0][1] == 5
    assert found["wait_sum"][0][1] == 0.75


def test_names_and_labels_are_made_such_as_prometheus_takes_them() -> None:
    assert [sanitised(name) for name in ("a.b c", "", "1a", "__a", "ü", None, 7, "x" * 101, "_ok", "-a")] == [
        "a_b_c", None, None, None, "_", None, None, None, "_ok", "_a",
    ]  # fmt: skip
    found = took([counter("sales.eu", 1, **{"new-shop": "dark blue", "n": 3, "on": True, "": "x", "le": "9"})])
    ((labels, _),) = found["sales_eu_total"]
    assert labels == {**OURS, "metric_type": "counter", "new_shop": "dark blue", "n": "3", "on": "True"}


def test_the_environment_is_the_tokens_and_the_application_the_reports() -> None:
    ((labels, _),) = took([counter("a", 1, appName="another", environment="development", origin="me")])["a_total"]
    assert labels == {**OURS, "metric_type": "counter"}


def test_what_may_be_somebodys_becomes_other_and_is_still_counted() -> None:
    texts = ["ada@example.com", "a text, with commas", "x" * 61, "", "a\nb", None, [], {"a": 1}]
    found = took([counter("a", 1, who=text) for text in texts])
    assert [(labels["who"], value) for labels, value in found["a_total"]] == [("other", len(texts))]


def test_the_number_of_series_and_of_metrics_has_a_bound_and_nothing_is_lost_beyond_the_first() -> None:
    many = took(
        [counter("a", 1, user=f"u{n}") for n in range(1_000)], [counter("a", 1, user=f"v{n}") for n in range(999)]
    )
    values = {labels["user"]: value for labels, value in many["a_total"]}
    assert len(values) == impact.MAX_SERIES + 1
    assert sum(values.values()) == 1_999
    assert values["other"] == 1_999 - impact.MAX_SERIES
    metrics = took([counter(f"m{n}", 1) for n in range(1_000)])
    assert len(metrics) == impact.MAX_METRICS
    apps = Impact()
    for n in range(1_000):
        apps.take([counter("a", 1)], app=f"app{n}", environment=f"e{n}")
    assert len(shown(apps)["a_total"]) <= 2 * impact.MAX_SERIES


def test_what_is_no_metric_is_left_out_and_the_rest_counts() -> None:
    wrong: list[Any] = [
        7, None, {}, counter("", 1), counter("a", -1), counter("a", "1"), counter("a", 1e400), counter("a", 10**400),
        counter("a", True), {**counter("a", 1), "type": "summary"}, {**counter("a", 1), "samples": {"x": 1}},
        histogram("h", [1, 1], bounds=("nan", "+Inf")), histogram("h", [1, 2], bounds=(0.1, 0.2)),
        histogram("h", [-1, 2]),
        {"name": "h", "type": "histogram", "samples": [{"count": None, "buckets": None}]},
    ]  # fmt: skip
    found = took(
        [*wrong, counter("a", 2), histogram("h", [1, 1])], [gauge("a", 9), histogram("h", [1, 1], bounds=(9, "+Inf"))]
    )
    assert found["a_total"][0][1] == 2, "a counter stays a counter"
    assert found["h_count"][0][1] == 1, "counts of other buckets cannot be added"


KEYS = ("name", "type", "samples", "labels", "value", "count", "sum", "buckets", "le")
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["name", "counter", "gauge", "histogram", "+Inf", "a"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=20,
)  # fmt: skip


@given(json_like)
def test_no_garbage_makes_it_fail_or_show_what_prometheus_cannot_read(garbage: Any) -> None:
    held = Impact()
    held.take(garbage, app="app", environment="production")
    held.take([garbage], app="app", environment="production")
    shown(held)


def test_reports_of_all_kinds_reach_it_and_none_fails(plane) -> None:
    assert plane.post(METRICS, {"appName": "app", "bucket": None, "impactMetrics": [counter("sales", 1)]}).status == 202
    assert plane.post(METRICS, {"appName": "app", "impactMetrics": "rubbish"}).status == 202
    frontend = {"appName": "web", "bucket": None, "impactMetrics": [counter("sales", 2)]}
    assert plane.post("/api/frontend/client/metrics", frontend, token=FRONTEND).status == 202
    bulk = {"applications": [], "metrics": [], "impactMetrics": [counter("sales", 4, appName="till")]}
    assert plane.post(f"{METRICS}/bulk", bulk).status == 202
    found = {
        (labels["appName"], labels["origin"]): value for labels, value in shown(plane.app.usage.impact)["sales_total"]
    }
    assert found == {("app", "sdk"): 1, ("web", "sdk"): 2, ("till", "edge"): 4}


def test_it_is_shown_apart_from_the_servers_own_numbers(tmp_path) -> None:
    from ensign_testkit.seeding import seed  # deferred: a server of its own
    from ensign_testkit.server import run, serving  # deferred: a server of its own

    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    bearer = {"Authorization": f"Bearer {seed(data)['tokens']['ingrid']}"}
    with serving(data, env={"ENSIGN_METRICS_TOKEN": "scrape"}) as server:
        wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
        made = server.request("POST", "/api/v1/client-tokens", wish, headers=bearer).json()
        assert made["last_used_at"] is None
        begun = datetime.now(UTC)
        body = {"appName": "app", "bucket": None, "impactMetrics": [counter("sales", 1)]}
        sent = lambda: server.request("POST", METRICS, body, headers={"Authorization": made["token"]}).status  # noqa: E731
        until(lambda: sent() == 202)
        assert server.get("/metrics/impact").status == 403
        text = server.get("/metrics/impact", Authorization="Bearer scrape").body.decode()
        assert "sales_total{" in text
        assert "ensign_" not in text
        assert "sales" not in server.get("/metrics", Authorization="Bearer scrape").body.decode()
        row = lambda: json.loads(server.get(f"/api/v1/client-tokens/{made['id']}", **bearer).body)  # noqa: E731
        until(lambda: row()["last_used_at"] is not None)
        assert datetime.fromisoformat(row()["last_used_at"]) >= begun.replace(microsecond=0)
