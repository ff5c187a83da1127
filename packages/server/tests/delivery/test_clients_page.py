"""Claims: docs/reference/clients.md names no client, version or test that is not there, and every client that is."""

from __future__ import annotations

import re

from ensign_testkit.contracts import NOT_RUN, PAGE, ROOT, page, pinned, rows

CELLS = ("client", "language", "version", "mode", "tried", "result", "test")


def listed() -> list[dict[str, str]]:
    return [dict(zip(CELLS, row, strict=True)) for row in rows(PAGE.read_text())]


def test_every_version_is_the_one_that_the_tests_install_and_every_result_is_good() -> None:
    versions = pinned()
    assert listed()
    for row in listed():
        assert row["version"] == versions.get(row["client"]), row
        assert row["result"] == "passed", row


def test_every_test_that_is_named_exists_and_runs_this_client() -> None:
    for row in listed():
        name = re.fullmatch(r"`([^:`]+)::(\w+)(?:\[.*\])?`", row["test"])
        assert name is not None, row
        source = (ROOT / "packages/server/tests" / name[1]).read_text()
        assert f"def {name[2]}(" in source
        assert row["client"] in source, row


def test_every_client_of_the_matrices_has_its_row() -> None:
    named = {(row["client"], row["mode"]) for row in listed()}
    wanted = {
        ("unleashclient", "polling"), ("unleashclient", "streaming"), ("unleash-client", "polling"),
        ("unleash-client", "delta"), ("unleash-client", "streaming"), ("@unleash/nextjs", "server side"),
        ("unleash-proxy-client", "GET"), ("unleash-proxy-client", "POST"), ("@unleash/proxy-client-react", "hooks"),
        ("unleash-client-java", "polling"), ("unleash-client-java", "streaming"),
        ("github.com/Unleash/unleash-go-sdk/v5", "polling"), ("unleash-api-client", "polling"),
        ("ruby-unleash", "polling"), ("unleash-edge", "in front"), ("openfeature-provider-ofrep", "by key"),
        ("@openfeature/ofrep-provider", "by key"), ("@openfeature/ofrep-web-provider", "all at once, event stream"),
        ("@openfeature/ofrep-web-provider", "all at once, polling"),
    }  # fmt: skip
    assert wanted <= named


def test_the_page_says_what_was_not_run_and_why() -> None:
    text = PAGE.read_text()
    for name, reason in NOT_RUN.items():
        assert f"- {name}: {reason}." in text


def test_the_page_is_made_of_records_and_nothing_else() -> None:
    record = {
        "client": "a", "language": "L", "version": "1", "mode": "m", "tried": "all", "result": "failed",
        "test": "packages/server/tests/x.py::test_it[a|b]",
    }  # fmt: skip
    made = rows(page([record]))
    assert made == [["a", "L", "1", "m", "all", "failed", "`x.py::test_it[a|b]`"]]
