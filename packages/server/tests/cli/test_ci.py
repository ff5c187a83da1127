"""Claims: the examples of docs/howto/ci.md do what they say, run by bash in the surroundings that GitHub and GitLab
give a job, against a real server and a real issuer; rotation works from the terminal, also of the token itself."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from ensign_testkit.issuer import Issuer, issuing
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, run, serving
from ensign_testkit.visiting import Visitor

ROOT = Path(__file__).resolve().parents[4]
HOWTO = ROOT / "docs" / "howto" / "ci.md"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {"ENSIGN_API_RATE": "1000000", "ENSIGN_OUTBOUND_ALLOW": "127.0.0.0/8"}
    with serving(tmp_path_factory.mktemp("ci") / "data", env=env) as running:
        yield running


@pytest.fixture(scope="module")
def ingrid(server: Server) -> Visitor:
    seed(server.data_dir)
    visitor = Visitor(server)
    assert visitor.sign_in("ingrid@example.com", PASSWORD).status == 303
    return visitor


@pytest.fixture(scope="module")
def account(server: Server, ingrid: Visitor, issuer: Issuer) -> str:
    """A service account that the main branch of acme/shop may act as."""
    me = ingrid.call("GET", "/whoami")["id"]
    body = {"name": "deploy", "purpose": "deploys", "owner": me}
    made = ingrid.call("POST", "/service-accounts", body, status=201)
    rule = {
        "name": "main", "shape": "github", "issuer": issuer.url, "audience": server.url,
        "claims": {"repository": "acme/shop", "ref": "refs/heads/main"},
    }  # fmt: skip
    ingrid.call("POST", f"/service-accounts/{made['id']}/federation-rules", rule, status=201)
    return str(made["id"])


def examples() -> list[dict[str, Any]]:
    """The YAML blocks of the how-to."""
    blocks = HOWTO.read_text().split("```yaml\n")[1:]
    return [yaml.safe_load(block.split("```")[0]) for block in blocks]


def bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder, env={"PATH": path, "HOME": str(folder), **env}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def github(issuer: Issuer, server: Server, folder: Path, **claims: Any) -> dict[str, str]:
    """What GitHub's runner gives a job with `id-token: write`. Its address has a query already."""
    value = {"value": issuer.token(aud=server.url, **claims)}
    for spelled in (urlencode({"audience": server.url}), f"audience={server.url}"):
        issuer.answer(f"/token?api-version=2.0&{spelled}", value)
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-runner",
        "GITHUB_ENV": str(folder / "env"),
        "ENSIGN_URL": server.url,
    }


def test_the_examples_are_what_the_issuers_ask_for() -> None:
    actions, _, gitlab = examples()
    assert actions["permissions"]["id-token"] == "write"
    assert gitlab["flags"]["id_tokens"]["ENSIGN_ID_TOKEN"]["aud"] == gitlab["flags"]["variables"]["ENSIGN_URL"]


def test_a_job_of_github_signs_in_and_acts(server: Server, issuer: Issuer, account: str, tmp_path: Path) -> None:
    actions, by_hand, _ = examples()
    steps = actions["jobs"]["flags"]["steps"]
    for sign_in in (steps[0]["run"], by_hand[0]["run"]):
        (tmp_path / "env").unlink(missing_ok=True)
        env = github(issuer, server, tmp_path)
        done = bash(sign_in, tmp_path, **env)
        assert done.returncode == 0, done.stderr
        kept = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
        assert kept["ENSIGN_TOKEN"].startswith("ensign_fed_")
        assert done.stdout == f"::add-mask::{kept['ENSIGN_TOKEN']}\n", "nothing else shows the token"
        used = bash(steps[1]["run"], tmp_path, **env, **kept)
        assert used.stdout == f"service {account}\n", used.stderr


def test_a_job_of_gitlab_signs_in_and_acts(server: Server, issuer: Issuer, account: str, tmp_path: Path) -> None:
    script = "\n".join(examples()[2]["flags"]["script"])
    done = bash(script, tmp_path, ENSIGN_URL=server.url, ENSIGN_ID_TOKEN=issuer.token("ec-1", aud=server.url))
    assert done.stdout == f"service {account}\n", done.stderr


def test_a_job_of_a_branch_is_told_where_to_look_and_prints_no_token(
    server: Server, issuer: Issuer, account: str, tmp_path: Path
) -> None:
    env = github(issuer, server, tmp_path, ref="refs/heads/topic")
    done = bash("ensign tokens exchange", tmp_path, **env)
    assert (done.returncode, done.stdout) == (5, "")
    assert "Try a token" in done.stderr
    nowhere = bash("ensign tokens exchange", tmp_path, ENSIGN_URL=server.url)
    assert nowhere.returncode == 5
    assert "id-token: write" in nowhere.stderr


def test_a_service_accounts_token_rotates_itself_from_the_terminal(
    server: Server, ingrid: Visitor, account: str
) -> None:
    body = {"name": "nightly", "renew_days": 30}
    made = ingrid.call("POST", f"/service-accounts/{account}/tokens", body, status=201)

    def ensign(*arguments: str, token: str = made["token"]) -> Any:
        return run(server.data_dir, *arguments, env={"ENSIGN_URL": server.url, "ENSIGN_TOKEN": token})

    done = ensign("tokens", "rotate", "--overlap", "1")
    assert done.returncode == 0, done.stderr
    successor = done.stdout.splitlines()[0]
    assert successor.startswith("ensign_svc_")
    assert ensign("access", "whoami", token=successor).stdout == f"service {account}\n"
    assert ensign("access", "whoami").returncode == 0, "the overlap"
    assert ensign("tokens", "rotate").returncode == 5, "once"


def test_client_tokens_rotate_and_all_tokens_are_listed_and_exported(
    server: Server, ingrid: Visitor, tmp_path: Path
) -> None:
    text = ingrid.call("POST", "/tokens", {"name": "terminal"}, status=201)["token"]

    def ensign(*arguments: str) -> str:
        done = run(server.data_dir, *arguments, env={"ENSIGN_URL": server.url, "ENSIGN_TOKEN": text})
        assert done.returncode == 0, (arguments, done.stderr)
        return str(done.stdout)

    ensign("projects", "client-token", "shop", "development", "--name", "cart", "--never")
    id = ensign("projects", "client-tokens", "shop").splitlines()[-1].split()[0]
    successor = ensign("tokens", "rotate", id, "--overlap", "0").splitlines()[0]
    assert successor.startswith("shop:development.ensign_ct_")
    assert server.request("GET", "/api/client/features", headers={"Authorization": successor}).status == 200
    assert "cart" in ensign("tokens", "all", "--kind", "backend")
    ensign("tokens", "export", str(tmp_path / "tokens.csv"))
    rows = list(csv.DictReader((tmp_path / "tokens.csv").open()))
    assert {row["state"] for row in rows if row["name"] == "cart"} == {"active", "revoked"}
    assert "At most 100 days; without an end: nowhere." in ensign(
        "tokens", "rules", "--max-days", "100", "--never", "nowhere"
    )
