"""Claims: full looks for garbage come from a thread of their own, and end with the block; young cycles still go."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from ensign import collector


class Knot:
    """Refers to itself, so that only a look for cycles frees it."""

    def __init__(self) -> None:
        self.self = self


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ensign-collector"]


def test_thresholds_are_put_back_and_the_thread_ends() -> None:
    """Outside the block everything is as it was."""
    before = gc.get_threshold()
    with collector.seldom():
        assert gc.get_threshold() == (collector.YOUNG, collector.MIDDLE, collector.NEVER)
        assert _threads() == ["ensign-collector"]
    assert gc.get_threshold() == before
    assert _threads() == []


def test_allocating_a_lot_starts_no_full_look_by_itself() -> None:
    """What reads a ruleset is not held up: only the thread looks at everything."""
    with collector.seldom():
        looks: list[int] = []

        def seen(phase: str, info: dict[str, int]) -> None:
            if phase == "start":
                looks.append(info["generation"])

        gc.callbacks.append(seen)
        try:
            kept = [{"n": [number]} for number in range(4 * collector.YOUNG * collector.MIDDLE)]
        finally:
            gc.callbacks.remove(seen)
        assert len(kept)
        assert {0, 1} <= set(looks)
        assert 2 not in looks


def test_a_full_look_comes_when_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread frees what nothing else would."""
    monkeypatch.setattr(collector, "CHECK", 0.01)
    monkeypatch.setattr(collector, "INTERVAL", 0.0)
    with collector.seldom():
        gone = threading.Event()
        weakref.finalize(Knot(), gone.set)
        assert gone.wait(30)


def test_one_is_due_after_some_time_or_much_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either suffices."""
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, 0))
    assert not collector.due(seconds=collector.INTERVAL - 1)
    assert collector.due(seconds=collector.INTERVAL)
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, collector.MUCH))
    assert collector.due(seconds=0)
