"""Claims about `python -m ensign_sdk --what-is-sent`."""

from __future__ import annotations

import subprocess
import sys


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ensign_sdk", "--what-is-sent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_shows_every_request_and_no_attribute_of_the_context() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    for request in ("GET /api/client/streaming", "POST /api/client/register", "POST /api/client/metrics",
                    "POST /api/client/applied"):  # fmt: skip
        assert done.stdout.count(request) == 1
    sent = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("---"))
    assert "ada" not in sent
    assert "203.0.113.9" not in sent
    assert '"example":{"yes"' in sent or '"example":{"yes":0,"no"' in sent


def test_it_shows_exactly_what_arrives(hostile) -> None:
    from ensign_testkit.adversary import rules

    hostile.behaviour = rules("menu")
    done = run("--url", hostile.url, "--token", "a:b.very-secret", "--flag", "menu", "--context", '{"userId":"ada"}')
    assert done.returncode == 0, done.stderr
    assert "very-secret" not in done.stdout
    assert {seen.headers["authorization"] for seen in hostile.seen} == {"a:b.very-secret"}
    assert len(hostile.seen) == 4, "a stream, which this server does not have; rules, registration and counts"
    for seen in hostile.seen:
        assert f"{seen.method} {seen.path} HTTP/1.1" in done.stdout
        assert seen.body.decode() in done.stdout
        for name, value in seen.headers.items():
            assert f"{name}: {value}".replace("a:b.very-secret", "<token>").lower() in done.stdout.lower()


def test_bad_arguments_are_explained() -> None:
    for arguments, says in (
        (("--url", "nonsense", "--token", "t"), "must look like"),
        (("--url", "http://localhost"), "--token"),
        (("--context", "{"), "not JSON"),
        (("--context", "[]"), "JSON object"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
