"""Claims: threads that ask while rules change get whole answers; under the interpreter's lock no count is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_sdk import Client
from ensign_sdk._internal.cache import Origin
from ensign_sdk.openfeature import EnsignProvider
from ensign_sdk.testing import document, split, variant
from openfeature.evaluation_context import EvaluationContext

ROUNDS, THREADS = 300, 6


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def rules(number: int) -> dict[str, Any]:
    """Revision `number`: every flag says so, be it on or off, and by its payload."""
    on = number % 2 == 0
    made = {f"flag-{n}": on for n in range(20)}
    return document({**made, "number": variant("v", number), "two": split({"a": 1, "b": 1}), f"only-{number}": True})


def test_answers_are_whole_and_counts_complete_while_rules_change() -> None:
    client = Client.offline(rules(0))
    handles = [client.flag(f"flag-{n}") for n in range(20)]
    stop, failed = threading.Event(), list[BaseException]()
    asked = [0] * THREADS

    def ask(place: int) -> None:
        try:
            last = -1
            while not stop.is_set():
                for n, handle in enumerate(handles):
                    handle({"userId": str(place)})
                    client.is_enabled(f"flag-{n}")
                asked[place] += 2
                payload = client.get_variant("number").payload
                assert payload is not None
                assert int(payload["value"]) >= last, "no thread goes back to older rules"
                last = int(payload["value"])
                assert client.get_variant("two", {"userId": str(last)}).name in {"a", "b"}
                every = client.evaluate_all()
                number = int((every["number"].variant.payload or {})["value"])
                assert f"only-{number}" in every
                assert {every[f"flag-{n}"].enabled for n in range(20)} == {number % 2 == 0}
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for number in range(1, ROUNDS):
        client._store.put(Ruleset.parse(rules(number), previous=client._store.ruleset), "offline", Origin())
    stop.set()
    for thread in threads:
        thread.join(60)
    assert failed == []
    counts = client._store.ruleset.counters.collect()
    for n in range(20):
        assert counts[f"flag-{n}"].yes + counts[f"flag-{n}"].no == sum(asked)


def test_collecting_while_threads_count_neither_loses_nor_doubles() -> None:
    client = Client.offline(document({"menu": True}))
    menu = client.flag("menu")
    threads = [threading.Thread(target=lambda: [menu() for _ in range(20_000)]) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    total = 0
    while any(thread.is_alive() for thread in threads):
        total += sum(report.yes for report in client._store.ruleset.counters.collect().values())
    total += sum(report.yes for report in client._store.ruleset.counters.collect().values())
    assert total == 20_000 * THREADS


def test_the_openfeature_provider_keeps_value_and_reason_together_while_rules_change() -> None:
    client = Client.offline(rules(0))
    provider = EnsignProvider(client)
    provider.initialize(EvaluationContext())
    stop, failed = threading.Event(), list[object]()

    def ask() -> None:
        while not stop.is_set():
            found = provider.resolve_boolean_details("flag-1", False)
            if found.error_code or (found.value, found.reason) not in {(True, "STATIC"), (False, "DISABLED")}:
                failed.append(found)
            if provider.resolve_integer_details("number", -1).value < 0:
                failed.append("number")

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for number in range(1, ROUNDS):
        client._store.put(Ruleset.parse(rules(number), previous=client._store.ruleset), "offline", Origin())
    stop.set()
    for thread in threads:
        thread.join(60)
    provider.shutdown()
    assert failed == []
