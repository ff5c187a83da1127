"""Claims about the OpenFeature provider, through OpenFeature's own API: values, reasons, errors, hooks, events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_sdk.openfeature import EnsignProvider
from ensign_sdk.testing import FakeClient, variant
from ensign_testkit import adversary as enemy
from ensign_testkit.delivery import flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, Reason
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

VECTORS = json.loads((Path(__file__).parents[3] / "conformance" / "openfeature.json").read_text("utf-8"))
DEFAULTS: dict[str, Any] = {"boolean": None, "string": "code", "integer": -1, "float": -1.5, "object": {"code": 1}}


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """OpenFeature's API is one for the process."""
    yield
    api.shutdown()
    api.clear_providers()
    api.clear_hooks()


def through(client: Client, **options: Any) -> OpenFeatureClient:
    api.set_provider_and_wait(EnsignProvider(client, **options))
    return api.get_client()


def ask(client: OpenFeatureClient, kind: str, key: str, default: Any, context: Any = None, **more: Any) -> Any:
    return getattr(client, f"get_{kind}_details")(key, default, context, **more)


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: case["description"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_vectors_hold_through_openfeature(case: dict[str, Any], asynchronous: bool) -> None:
    client = through(Client.offline(VECTORS["state"]))
    attributes = dict(case["context"])
    context = EvaluationContext(attributes.pop("targetingKey", None), attributes)
    kind, expected = case["kind"], case["expected"]
    default = not expected.get("value", True) if kind == "boolean" else DEFAULTS[kind]
    if asynchronous:
        found = asyncio.run(getattr(client, f"get_{kind}_details_async")(case["flag"], default, context))
    else:
        found = ask(client, kind, case["flag"], default, context)
    wanted = expected.get("value", default)
    assert (type(found.value), found.value) == (type(wanted), wanted)
    assert found.reason == expected["reason"]
    assert found.error_code == expected.get("errorCode")
    assert (found.variant or "") == expected["variant"]


@pytest.mark.parametrize(
    ("kind", "key", "type_"),
    [("string", "plain", "boolean"), ("integer", "colour", "string"), ("integer", "mixed-numbers", "float"),
     ("object", "whole", "integer"), ("string", "object", "object"), ("float", "gold", "boolean")],
)  # fmt: skip
def test_another_type_than_the_flags_is_a_mismatch(kind: str, key: str, type_: str) -> None:
    found = ask(through(Client.offline(VECTORS["state"])), kind, key, DEFAULTS[kind])
    assert (found.value, found.error_code, found.reason) == (DEFAULTS[kind], ErrorCode.TYPE_MISMATCH, Reason.ERROR)
    assert type_ in (found.error_message or "")


def test_every_flag_can_be_asked_whether_it_is_on_and_a_whole_number_is_a_float_too() -> None:
    client = through(Client.offline(VECTORS["state"]))
    assert client.get_boolean_value("colour", False) is True
    assert client.get_boolean_value("text-off", True) is False
    value = client.get_float_value("whole", 0.0)
    assert (type(value), value) == (float, 42.0)
    huge = through(FakeClient({"huge": variant("v", int("9" * 400))}))
    assert ask(huge, "float", "huge", 1.0).error_code == ErrorCode.PARSE_ERROR


def test_nothing_that_is_asked_raises(caplog: pytest.LogCaptureFixture) -> None:
    client = through(Client.offline(VECTORS["state"]))
    keys: list[Any] = ["plain", [], None, object(), "\ud800"]
    contexts: list[Any] = [
        None,
        EvaluationContext(),
        EvaluationContext(7, {"a": object()}),
        EvaluationContext(None, {1: 2}),
    ]  # type: ignore[arg-type,dict-item]  # what callers do
    for key in keys:
        for context in contexts:
            for kind in DEFAULTS:
                ask(client, kind, key, DEFAULTS[kind], context)
    assert caplog.text.count("could not be resolved") == 1


class Recorder(Hook):
    """Writes down what OpenFeature tells a hook."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, hook_context: HookContext, hints: HookHints) -> EvaluationContext:
        self.seen.append(f"before {hook_context.flag_key} by {hook_context.provider_metadata.name}")  # type: ignore[union-attr]  # ours has a name
        return EvaluationContext(attributes={"plan": "gold"})

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.seen.append(f"after {details.value} {details.flag_metadata['type']}")

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self.seen.append(f"error {type(exception).__name__}")

    def finally_after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.seen.append("finally")


def test_hooks_work_wherever_they_are_registered() -> None:
    provided, asked = Recorder(), Recorder()
    client = through(Client.offline(VECTORS["state"]), hooks=[provided])
    options = FlagEvaluationOptions(hooks=[asked])
    assert client.get_boolean_value("gold", False, flag_evaluation_options=options) is True
    assert provided.seen == asked.seen == ["before gold by Ensign", "after True release", "finally"]
    assert client.get_boolean_value("missing", True) is True
    assert provided.seen[3:] == ["before missing by Ensign", "error FlagNotFoundError", "finally"]


class Events:
    """What happened, for tests that wait for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, EventDetails]] = []
        self._changed = threading.Condition()
        for event in ProviderEvent:
            api.add_handler(event, lambda details, event=event: self._note(event.value, details))

    def _note(self, name: str, details: EventDetails) -> None:
        with self._changed:
            self.seen.append((name.removeprefix("PROVIDER_"), details))
            self._changed.notify_all()

    def wait(self, name: str, count: int = 1) -> EventDetails:
        def found() -> list[EventDetails]:
            # OpenFeature tells a new handler at once that its own stand-in is ready.
            return [details for seen, details in self.seen if seen == name and details.provider_name == "Ensign"]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, 10), self.seen
        return found()[-1]


@pytest.fixture
def events() -> Iterator[Events]:
    yield Events()
    from openfeature._event_support import clear

    clear()


def test_ready_then_what_changed(plane, connect, events: Events) -> None:
    client = through(connect(plane.url, streaming=True))
    events.wait("READY")
    assert client.get_boolean_value("menu", False) is True
    plane.source.publish([flag("menu", enabled=False), flag("new")])
    told = events.wait("CONFIGURATION_CHANGED")
    assert set(told.flags_changed or []) <= {"menu", "old", "new"}
    assert "menu" in (told.flags_changed or [])
    assert client.get_boolean_value("menu", True) is False


def test_a_server_that_is_away_for_long_makes_it_stale_and_back_again(hostile, connect, events, quick) -> None:
    hostile.behaviour = enemy.rules("menu")
    client = through(connect(hostile.url), stale_after=0.2)
    events.wait("READY")
    hostile.behaviour = enemy.reply(500)
    assert "500" in (events.wait("STALE").message or "")
    assert client.get_provider_status() == ProviderStatus.STALE
    assert client.get_boolean_value("menu", False) is True, "the last rules go on answering"
    hostile.behaviour = enemy.rules("menu", "new")
    events.wait("READY", 2)
    assert client.get_provider_status() == ProviderStatus.READY


def test_without_rules_it_is_in_error_until_they_come(hostile, connect, events, quick) -> None:
    hostile.behaviour = enemy.reply(503)
    api.set_provider(EnsignProvider(connect(hostile.url), wait=0.1))
    assert "no rules within" in (events.wait("ERROR").message or "")
    client = api.get_client()
    assert ask(client, "boolean", "menu", True).error_code == ErrorCode.PROVIDER_NOT_READY
    hostile.behaviour = enemy.rules("menu")
    events.wait("READY")
    assert client.get_boolean_value("menu", False) is True


def test_evaluations_are_counted_and_sent_at_shutdown(plane, connect, until) -> None:
    client = through(connect(plane.url, metrics_interval=600))
    for _ in range(3):
        client.get_boolean_value("menu", False)
    client.get_boolean_value("old", False)
    api.shutdown()
    until(lambda: (plane.counted("menu"), plane.counted("old")) == ((3, 0), (0, 1)))


def test_tracking_goes_to_the_application_and_nowhere_else(hostile, connect, caplog) -> None:
    hostile.behaviour = enemy.rules("menu")
    tracked: list[Any] = []

    def note(*event: Any) -> None:
        tracked.append(event)
        raise RuntimeError("the application's own mistake")

    client = through(connect(hostile.url), on_track=note)
    details = TrackingEventDetails(value=9.5, attributes={"currency": "SEK"})
    client.track("bought-a-hat", EvaluationContext("ada@example.com"), details)
    assert [(name, context.targeting_key, given) for name, context, given in tracked] == [
        ("bought-a-hat", "ada@example.com", details)
    ]
    assert "on_track raised" in caplog.text
    api.shutdown()
    sent = " ".join(f"{seen.path} {seen.headers} {seen.body!r}" for seen in hostile.seen)
    assert "bought-a-hat" not in sent
    assert "ada@" not in sent
    through(Client.offline(VECTORS["state"])).track("nobody-listens")


def test_a_fake_client_serves_openfeature_too() -> None:
    fake = FakeClient({"menu": False, "limit": variant("high", payload=100)})
    client = through(fake)
    assert client.get_integer_value("limit", 1) == 100
    with fake.flags({"menu": True}):
        assert client.get_boolean_value("menu", False) is True
    assert [(asked.kind, asked.flag) for asked in fake.asked] == [("getVariant", "limit"), ("isEnabled", "menu")]
