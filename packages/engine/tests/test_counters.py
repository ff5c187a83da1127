"""Counting loses nothing over reports and over changes of the ruleset."""

import threading
from typing import Any

from ensign_engine import Ruleset


def _flag(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "strategies": [], "variants": [{"name": "a", "weight": 1}], **more}


def _ask(rules: Ruleset, name: str, times: int = 1) -> None:
    flag = rules.table[name]
    for _ in range(times):
        flag.counts[flag.decide({}) != 0] += 1


def test_reports_hold_what_is_new() -> None:
    """Each report holds the counts since the last; a flag without any is left out."""
    rules = Ruleset.parse({"features": [_flag("on"), _flag("off", enabled=False), _flag("unused")]})
    rules.is_enabled("unused")
    _ask(rules, "on", 3)
    _ask(rules, "off")
    _ask(rules, "unknown")
    flag = rules.table["on"]
    flag.variant_counts["a"] = flag.variant_counts.get("a", 0) + 1
    report = rules.counters.collect()
    assert {name: (item.yes, item.no, item.variants) for name, item in report.items()} == {
        "on": (3, 0, {"a": 1}),
        "off": (0, 1, {}),
        "unknown": (0, 1, {}),
    }
    assert rules.counters.collect() == {}
    _ask(rules, "on")
    assert {name: item.yes for name, item in rules.counters.collect().items()} == {"on": 1}


def test_counts_survive_a_new_ruleset() -> None:
    """What was counted under the old rules is in the next report, for changed and removed flags, too."""
    old = Ruleset.parse({"features": [_flag("changed"), _flag("removed")]})
    _ask(old, "changed")
    _ask(old, "removed")
    new = old.apply_delta(
        {
            "events": [
                {"type": "feature-updated", "feature": _flag("changed", enabled=False)},
                {"type": "feature-removed", "featureName": "removed"},
            ]
        }
    )
    _ask(new, "changed")
    _ask(old, "removed")
    report = new.counters.collect()
    assert {name: (item.yes, item.no) for name, item in report.items()} == {"changed": (1, 1), "removed": (2, 0)}


def test_a_parent_is_not_counted() -> None:
    """Asking for a child evaluates the parent but counts nothing for it."""
    rules = Ruleset.parse({"features": [_flag("parent"), _flag("child", dependencies=[{"feature": "parent"}])]})
    _ask(rules, "child")
    assert set(rules.counters.collect()) == {"child"}


def test_threads_lose_no_count() -> None:
    """Four threads counting one flag while another collects: every evaluation is reported exactly once."""
    rules = Ruleset.parse({"features": [_flag("f")]})
    total = 0
    threads = [threading.Thread(target=_ask, args=(rules, "f", 20_000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        total += sum(item.yes for item in rules.counters.collect().values())
    total += sum(item.yes for item in rules.counters.collect().values())
    assert total == 80_000
