"""Claims: CI says from the terminal which tests passed, is told why it is refused, and promotes from there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ensign.cli.remote_progression import from_ci
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run, serving

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "GITHUB_WORKFLOW": "tests",
    "GITHUB_JOB": "staging",
}
GITLAB = {"CI_JOB_NAME": "e2e", "CI_JOB_URL": "https://gitlab.com/acme/shop/-/jobs/7", "CI_COMMIT_SHA": "0" * 40}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("progression") / "data", env={"ENSIGN_API_RATE": "1000000"}) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    made: dict[str, Any] = seed(server.data_dir)
    return str(made["tokens"]["bo"])


class Terminal:
    """`ensign` as Bo."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.env = {"ENSIGN_URL": server.url, "ENSIGN_TOKEN": token, "ENSIGN_PROJECT": "shop"}

    def __call__(self, *arguments: str, code: int = 0, **env: str) -> str:
        done = run(self.server.data_dir, *arguments, env={**self.env, **env})
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return str(done.stdout if code == 0 else done.stderr)


def test_the_variables_of_a_ci_say_which_run_it_is() -> None:
    assert from_ci(GITHUB) == {
        "name": "tests / staging",
        "url": "https://github.com/acme/shop/actions/runs/42/attempts/2",
        "commit": GITHUB["GITHUB_SHA"],
    }
    assert from_ci(GITLAB) == {"name": "e2e", "url": GITLAB["CI_JOB_URL"], "commit": "0" * 40}
    assert from_ci({}) == {"name": "", "url": "", "commit": ""}


def test_a_run_is_reported_refused_and_listed_and_the_flag_promoted(server: Server, token: str) -> None:
    bo = Terminal(server, token)
    bo("flags", "create", "new-cart")
    place = ("-e", "staging")
    assert "off there" in bo("tests", "digest", "new-cart", *place, code=6)
    refusal = bo("tests", "report", "new-cart", *place, "--result", "passed", code=6, **GITHUB)
    assert "staging runs nothing of new-cart now" in refusal
    assert "remedy: Switch it on there" in refusal
    bo("flags", "rollout", "new-cart", "100", *place)
    bo("flags", "on", "new-cart", *place)
    digest = bo("tests", "digest", "new-cart", *place).strip()
    assert len(digest) == 64
    reported = bo("tests", "report", "new-cart", *place, "--result", "passed", "--digest", digest, **GITHUB)
    assert "tests / staging passed (manual: no evidence of CI" in reported
    assert "no variables of a CI" in bo("tests", "report", "new-cart", *place, "--result", "passed", code=3)
    assert "did not run" in bo(
        "tests", "report", "new-cart", *place, "--result", "passed", "--digest", "0" * 64, code=6, **GITHUB
    )
    (run_row,) = json.loads(bo("tests", "list", "new-cart", "--json"))
    assert (run_row["source"], run_row["commit"]) == ("manual", GITHUB["GITHUB_SHA"])
    assert digest[:12] in bo("tests", "show", "new-cart")
    seen = bo("changes", "promote", "new-cart", "--from", "staging", "--to", "production", "--dry-run")
    assert "one other person must approve first" in seen
    made = json.loads(
        bo("changes", "promote", "new-cart", "--from", "staging", "--to", "production", "-r", "Ran well", "--json")
    )
    assert made["status"] == "in_review"
    assert "staging: runs it since" in bo("changes", "progression", made["id"])
