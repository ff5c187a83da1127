"""Claims about a client against a real delivery plane."""

from __future__ import annotations

import threading

from ensign_sdk import Client, Impression, Variant
from ensign_testkit.delivery import flag, serving, strategy

ROLLOUT = {"rollout": "50", "stickiness": "default", "groupId": "half"}


def test_it_fetches_and_follows_the_rules(plane, connect, until) -> None:
    client = connect(plane.url)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")
    assert not client.is_enabled("old")
    menu = client.flag("menu")
    assert menu({"userId": "1"})
    plane.source.publish([flag("menu", enabled=False)])
    until(lambda: not client.is_enabled("menu"))
    assert not menu()
    status = client.status()
    assert (status.source, status.revision, status.error) == ("server", (1, 2), None)


def test_an_unchanged_ruleset_is_not_sent_again(hostile, connect) -> None:
    from ensign_testkit.adversary import reply, rules

    hostile.behaviour = rules("menu", ETag='"one"')
    client = connect(hostile.url)
    client.wait_until_ready(10)
    hostile.behaviour = reply(304)
    assert hostile.wait_until(lambda: len([s for s in hostile.seen if s.headers.get("if-none-match") == '"one"']) > 2)
    assert client.is_enabled("menu")
    assert client.status().source == "server"


def test_counts_reach_the_server_exactly(plane, connect, until) -> None:
    client = connect(plane.url)
    client.wait_until_ready(10)
    menu = client.flag("menu")
    for _ in range(300):
        client.is_enabled("menu", {"userId": "1"})
        menu()
        client.is_enabled("old")
    client.get_variant("menu")
    client.evaluate_all()
    client.close()
    until(lambda: plane.counted("menu") == (601, 0) and plane.counted("old") == (0, 300))
    variants = [row.key.variant for batch in plane.batches for row in batch.counts if row.key.variant]
    assert variants == ["disabled"]
    seen = [seen for batch in plane.batches for seen in batch.applications]
    assert {(s.app_name, s.sdk, s.instances) for s in seen} == {("tested", "ensign-python:0.1.0", 1)}


def test_nothing_is_sent_with_a_metrics_interval_of_zero(hostile, connect) -> None:
    client = connect(hostile.url, metrics_interval=0)
    client.wait_until_ready(10)
    client.is_enabled("menu")
    assert hostile.wait_until(lambda: len(hostile.seen) > 3)
    client.close()
    assert hostile.posted("") == []


def test_no_attribute_of_a_context_ever_leaves_the_process(hostile, connect) -> None:
    from ensign_testkit.adversary import rules

    hostile.behaviour = rules("menu")
    sent: list[bytes] = []
    client = connect(hostile.url, what_is_sent=sent.append)
    client.wait_until_ready(10)
    for _ in range(50):
        client.is_enabled("menu", {"userId": "ada-lovelace", "properties": {"email": "ada@example.com"}})
        client.get_variant("menu", {"userId": "ada-lovelace", "plan": "gold-plan"})
    client.close()
    everything = b"".join(sent)
    wire = b"".join(seen.body + repr(seen.headers).encode() for seen in hostile.seen)
    for secret in (b"ada-lovelace", b"ada@example.com", b"gold-plan"):
        assert secret not in everything
        assert secret not in wire
    assert b"sdk-secret" not in everything, "the token is masked in what is shown"
    assert b"sdk-secret" in wire
    assert b'"menu":{"yes":100' in everything


def test_a_server_restart_is_survived(plane, connect, until, quick) -> None:
    client = connect(plane.url)
    client.wait_until_ready(10)
    plane.server.stop()
    until(lambda: client.status().error is not None)
    assert client.is_enabled("menu")
    plane.source.publish([flag("menu", enabled=False)])
    with serving(plane.app(), port=plane.server.port):
        until(lambda: not client.is_enabled("menu"))
        until(lambda: client.status().error is None)


def test_defaults_stand_in_for_unknown_flags_only(plane, connect) -> None:
    client = connect(plane.url)
    client.wait_until_ready(10)
    asked: list[object] = []

    def fallback(name: str, context: object) -> bool:
        asked.append((name, context))
        return True

    assert client.is_enabled("unheard-of", {"userId": "1"}, fallback)
    assert asked == [("unheard-of", {"userId": "1"})]
    assert client.is_enabled("unheard-of", default=True)
    assert not client.is_enabled("old", default=True)
    assert client.flag("unheard-of", default=True)()
    assert not client.flag("old", default=True)()
    chosen = Variant("mine", True, None)
    assert client.get_variant("old", default=chosen) == Variant("mine", True, None, False)
    assert client.get_variant("menu", default=lambda _n, _c: chosen) == Variant("mine", True, None, True)


def test_nothing_that_is_asked_raises(plane, connect, caplog) -> None:
    client = connect(plane.url, custom_strategies={"odd": lambda _p, _c: 1 / 0})
    client.wait_until_ready(10)

    def broken(*_: object) -> bool:
        raise RuntimeError("broken")

    class Hostile(dict):  # type: ignore[type-arg]
        def get(self, *_: object) -> object:
            raise RuntimeError("no")

    contexts = (None, {}, [], 7, "text", {"userId": object()}, {"properties": 3}, Hostile(), {"userId": ["x"]})
    for context in contexts:
        assert client.is_enabled("menu", context) is True
        assert client.get_variant("menu", context).name == "disabled"
        assert isinstance(client.evaluate_all(context), dict)
        assert client.flag("menu")(context) is True
    for name in (None, [], {}, 3, b"menu"):
        assert client.is_enabled(name) is False
        assert client.get_variant(name).name == "disabled"
    assert client.is_enabled("nope", None, broken) is False
    assert client.get_variant("nope", None, broken).name == "disabled"
    assert client.flag("nope", broken)() is False


def test_custom_strategies_and_the_static_context(plane, connect, until) -> None:
    custom = strategy("byPlan", parameters={"plan": "gold"})
    by_app = strategy(constraints=[{"contextName": "appName", "operator": "IN", "values": ["tested"]}])
    plane.source.publish([flag("gold", strategies=[custom]), flag("mine", strategies=[by_app])])
    client = connect(plane.url, custom_strategies={"byPlan": lambda p, c: c.get("plan") == p["plan"]})
    client.wait_until_ready(10)
    until(lambda: client.is_enabled("mine"))
    assert client.is_enabled("gold", {"plan": "gold"})
    assert not client.is_enabled("gold", {"plan": "tin"})


def test_impressions_are_made_for_flags_that_ask_for_them(plane, connect, until) -> None:
    plane.source.publish([flag("seen", impressionData=True), flag("unseen")])
    heard: list[Impression] = []

    def listen(impression: Impression) -> None:
        heard.append(impression)
        raise RuntimeError("a listener may fail")

    client = connect(plane.url, on_impression=listen)
    client.wait_until_ready(10)
    until(lambda: client.is_enabled("unseen"))
    context = {"userId": "1"}
    assert client.is_enabled("seen", context)
    assert client.flag("seen")(context)
    assert client.get_variant("seen", context).feature_enabled
    assert [(i.kind, i.flag, i.enabled, i.variant) for i in heard] == [
        ("isEnabled", "seen", True, None),
        ("isEnabled", "seen", True, None),
        ("getVariant", "seen", True, "disabled"),
    ]
    assert heard[0].context is context


def test_a_handle_that_is_dropped_costs_nothing_more(plane, connect) -> None:
    client = connect(plane.url)
    for _ in range(100):
        client.flag("menu", default=lambda _n, _c: True)
    import gc

    gc.collect()
    assert len(client._handles) == 0


def test_threads_may_ask_while_rules_change(plane, connect) -> None:
    client = connect(plane.url, refresh_interval=0.05)
    client.wait_until_ready(10)
    handle, wrong, stop = client.flag("steady"), [], threading.Event()
    rules = [flag("steady", strategies=[strategy("flexibleRollout", parameters={**ROLLOUT, "rollout": "100"})])]
    plane.source.publish([*rules])

    def ask() -> None:
        while not stop.is_set():
            for user in range(50):
                context = {"userId": str(user)}
                if client.status().revision != (1, 1) and not (
                    handle(context) and client.is_enabled("steady", context)
                ):
                    wrong.append(user)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for round_ in range(10):
        plane.source.publish([*rules, flag(f"other-{round_}")])
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_offline_needs_no_server_and_starts_no_thread(tmp_path) -> None:
    document = {"version": 2, "features": [{"name": "a", "enabled": True, "strategies": []}]}
    path = tmp_path / "rules.json"
    path.write_text('{"version":2,"features":[{"name":"b","enabled":true,"strategies":[]}]}')
    before = threading.active_count()
    assert Client.offline(path.read_bytes()).is_enabled("b")
    with Client.offline(document) as client, Client.offline(path) as other:
        assert client.is_enabled("a")
        assert other.is_enabled("b")
        assert client.ready
        assert client.wait_until_ready(0)
        assert client.status().source == "offline"
        client.start()
        assert threading.active_count() == before
    assert client.is_enabled("a"), "a closed client goes on answering"


def test_a_bootstrap_is_used_until_the_server_has_better_and_counted_alike(plane, connect, until) -> None:
    brought = {"version": 2, "features": [flag("menu", enabled=False), flag("brought")]}
    client = connect(plane.url, bootstrap=brought, start=False, metrics_interval=0.1)
    assert client.ready
    assert client.status().source == "bootstrap"
    assert client.is_enabled("brought")
    assert not client.is_enabled("menu")
    client.start()
    until(lambda: client.status().source == "server")
    assert client.is_enabled("menu")
    assert not client.is_enabled("brought")
    client.close()
    until(lambda: plane.counted("menu") == (1, 1) and plane.counted("brought") == (1, 1))
