"""Claims about the commands over the API, against a real server: they do what they say, and fail with a remedy."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run, serving


class Terminal:
    """`ensign` as somebody with a token."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.env = {"ENSIGN_URL": server.url, "ENSIGN_TOKEN": token, "ENSIGN_PROJECT": "shop"}

    def __call__(self, *arguments: str, code: int = 0, **env: str) -> str:
        done = run(self.server.data_dir, *arguments, env={**self.env, **env})
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return str(done.stdout if code == 0 else done.stderr)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("remote") / "data", env={"ENSIGN_API_RATE": "1000000"}) as running:
        yield running


@pytest.fixture(scope="module")
def seeded(server: Server) -> dict[str, Any]:
    return seed(server.data_dir)


@pytest.fixture(scope="module")
def ingrid(server: Server, seeded: dict[str, Any]) -> Terminal:
    return Terminal(server, seeded["tokens"]["ingrid"])


@pytest.fixture(scope="module")
def bo(server: Server, seeded: dict[str, Any]) -> Terminal:
    return Terminal(server, seeded["tokens"]["bo"])


def test_a_flag_goes_on_at_once_in_development_and_waits_in_production(bo: Terminal, ingrid: Terminal) -> None:
    assert "off everywhere" in bo("flags", "create", "new-cart", "--description", "The new cart")
    development = bo.json("flags", "rollout", "new-cart", "25", "-e", "development")
    assert development["status"] == "applied"
    assert bo.json("flags", "on", "new-cart", "-e", "development")["status"] == "applied"
    waiting = bo.json("flags", "rollout", "new-cart", "10", "-e", "production", "-r", "First step of the plan")
    assert (waiting["status"], waiting["required"]) == ("in_review", 1)
    assert waiting["id"] in bo("changes", "list", "--status", "in_review")
    assert "10 %" in bo("changes", "show", waiting["id"])
    assert "+ " in bo("changes", "diff", waiting["id"])
    refusal = ingrid("changes", "approve", waiting["id"], code=5)
    assert "never from here" in refusal
    assert f"/requests/{waiting['id']}" in refusal
    assert bo("changes", "apply", waiting["id"], code=6).startswith("error: ")
    assert "Commented" in ingrid("changes", "comment", waiting["id"], "Which ticket is this?")
    assert "withdrawn" in bo("changes", "withdraw", waiting["id"])
    listed = bo("flags", "list")
    assert "new-cart" in listed
    assert "25 %" in listed
    assert "development: on" in bo("flags", "show", "new-cart")


def test_flags_are_listed_with_every_environment_though_the_first_is_set_up_in_none(bo: Terminal) -> None:
    bo("flags", "create", "aaa")
    bo("flags", "create", "aab")
    bo("flags", "on", "aab", "-e", "staging")
    head, first, second = (line.split("  ") for line in bo("flags", "list", "-s", "aa").splitlines())
    assert [cell.strip() for cell in head if cell.strip()] == ["key", "type", "development", "staging", "production"]
    assert [cell.strip() for cell in first if cell.strip()][1:] == ["release", *["not set up"] * 3]
    assert [cell.strip() for cell in second if cell.strip()][2:] == ["not set up", "on 100 %", "not set up"]


def test_operations_come_from_a_file_and_can_be_kept_as_a_draft(bo: Terminal, tmp_path: Path) -> None:
    bo("flags", "create", "from-file")
    file = tmp_path / "change.json"
    file.write_text('[{"type": "flag.enable", "flag": "from-file"}]')
    draft = bo.json("changes", "propose", "-e", "production", str(file), "--draft", "-r", "Ready for Monday's launch")
    assert draft["status"] == "draft"
    assert "in_review" in bo("changes", "submit", draft["id"])
    file.write_text("{")
    bo("changes", "propose", "-e", "production", str(file), code=3)


def test_a_kill_needs_no_approval_and_asks_why_afterwards(bo: Terminal) -> None:
    bo("flags", "create", "payments", "--type", "kill-switch")
    bo("flags", "on", "payments", "-e", "staging")
    killed = bo.json("flags", "kill", "payments", "-e", "staging")
    assert killed["reason_status"] == "open"
    assert "recorded" in bo("flags", "kill-reason", killed["id"], "The provider is down")


def test_roles_tokens_and_segments_are_managed_too(ingrid: Terminal, seeded: dict[str, Any]) -> None:
    assert seeded["ids"]["ingrid"] in ingrid("access", "whoami")
    assert "bo@example.com" in ingrid("access", "people")
    assert "developer" in ingrid("access", "grants")
    assert seeded["ids"]["bo"] in json.dumps(
        ingrid.json("access", "who-can", "change:approve", "-p", "shop", "-e", "production")
    )
    shown = ingrid("access", "who-can", "change:approve", "shop/production")
    assert "Bo Lind" in shown
    assert "from the rows" in shown
    assert "usr_" not in shown, "people are named"
    assert "no such project" in ingrid("access", "who-can", "change:approve", "shp/production", code=3)
    assert "org:ledger:read" in ingrid("access", "who-can", "change:aprove", "shop/production", code=3)
    assert "Nobody." in ingrid("access", "who-can", "change:approve", "shop/production", "--as-of", "2020-01-01")
    assert "zone" in ingrid("access", "who-can", "org:read", "--as-of", "2020-01-01T10:00", code=3)
    assert "future" in ingrid("access", "who-can", "org:read", "--as-of", "2199-01-01", code=3)
    assert "approver" in ingrid("access", "what-can", "bo@example.com")
    assert "nobody of this id then" in ingrid(
        "access", "what-can", seeded["ids"]["bo"], "--as-of", "2020-01-01", code=4
    )
    assert "the role was given" in ingrid("access", "diff", "2020-01-01")
    listed = ingrid("access", "export", "-o", "-")
    assert {row["name"] for row in csv.DictReader(listed.splitlines())} >= {"Bo Lind"}
    assert "tests" in ingrid("tokens", "list")
    ingrid("segments", "create", "nordics", "--name", "Nordics")
    assert "nordics" in ingrid("segments", "list")
    assert "production" in ingrid("projects", "environments", "shop")
    token = ingrid.json("projects", "client-token", "shop", "development", "--name", "cart service")["token"]
    answer = ingrid.server.get("/api/client/features", Authorization=token)
    assert answer.status == 200


def test_access_is_asked_for_here_and_answered_in_person(bo: Terminal, ingrid: Terminal) -> None:
    asked = bo.json("access", "request", "auditor", "--for", "2h", "--reason", "the audit begins")
    assert (asked["status"], asked["minutes"]) == ("open", 120)
    assert asked["id"] in ingrid("access", "requests", "--status", "open")
    refusal = ingrid("access", "approve", asked["id"], code=5)
    assert f"/access/requests/{asked['id']}" in refusal
    assert "no length of time" in bo("access", "request", "auditor", "--for", "soon", "--reason", "r", code=3)
    assert "at most" in bo("access", "request", "viewer", "--for", "31d", "--reason", "r", code=3).lower()
    assert "withdrawn" in bo("access", "withdraw", asked["id"])
    assert "policy-approve" in ingrid("access", "duties")
    assert "approved" in ingrid("access", "exceptions")
    done = run(ingrid.server.data_dir, "access", "findings", env=ingrid.env)
    assert (done.returncode, "sole-granter" in done.stdout) == (8, True)


def test_signing_in_is_read_here_and_its_rules_are_reset_on_the_server_alone(ingrid: Terminal) -> None:
    assert ingrid.json("access", "logins", "--outcome", "signed-in", "--from", "2026-01-01T00:00:00Z") == []
    assert "session_hours: 12" in ingrid("access", "rules", "show")
    assert "defaults hold" in ingrid("access", "rules", "history")
    reset = run(ingrid.server.data_dir, "access", "rules", "reset", "--reason", "locked out")
    assert reset.returncode == 6
    assert "defaults already" in reset.stderr


def test_errors_name_the_field_and_end_with_their_code(bo: Terminal) -> None:
    refusal = bo("flags", "create", "a/b", code=3)
    assert "key" in refusal
    assert "letters without accents" in refusal
    bo("flags", "show", "nowhere", code=4)
    bo("projects", "create", "mine", "--name", "Mine", code=5)
    bo("flags", "rollout", "new-cart", "101", "-e", "development", code=2)


@pytest.mark.parametrize("between", ["\n", " ", "\u2028", "\u00fc"])
def test_a_token_copied_wrongly_is_refused_and_not_shown(bo: Terminal, between: str) -> None:
    told = bo("flags", "list", code=5, ENSIGN_TOKEN=f"ensign_pat_half{between}ensign_pat_other")
    assert told.startswith("error: ENSIGN_TOKEN")
    assert "ensign_pat_" not in told


def test_an_error_is_json_when_json_was_asked_for(bo: Terminal) -> None:
    problem = json.loads(bo("flags", "show", "nowhere", "--json", code=4))
    assert problem["code"] == "not-found"


def test_a_missing_or_wrong_token_is_told_apart_from_a_missing_server(bo: Terminal) -> None:
    assert "ENSIGN_TOKEN" in bo("flags", "list", code=5, ENSIGN_TOKEN="")
    bo("flags", "list", code=5, ENSIGN_TOKEN="ensign_pat_" + "A" * 43)
    assert "does not answer" in bo("flags", "list", code=7, ENSIGN_URL="http://127.0.0.1:9")
    assert "ENSIGN_URL" in bo("flags", "list", code=3, ENSIGN_URL="nonsense")


def test_the_log_is_exported_and_verified_and_an_altered_bundle_is_found(bo: Terminal, tmp_path: Path) -> None:
    data = bo.server.data_dir
    bundle = tmp_path / "evidence.zip"
    made = json.loads(run(data, "ledger", "export", "-o", str(bundle), "--json").stdout)
    assert made["path"] == str(bundle)
    verify = [str(Path(sys.executable).with_name("ensign-verify")), str(bundle)]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
    report = json.loads(run(data, "ledger", "verify", "--json").stdout)
    assert report["ok"] is True
    assert run(data, "ledger", "anchor").returncode == 0
    assert run(data, "ledger", "verify", "--anchor", str(data / "anchors.txt")).returncode == 0


def test_a_backup_made_while_serving_is_restored_elsewhere_and_verifies(bo: Terminal, tmp_path: Path) -> None:
    file, other = tmp_path / "ensign.backup", tmp_path / "other" / "data"
    other.parent.mkdir()
    assert run(bo.server.data_dir, "backup", str(file)).returncode == 0
    keys = {"ENSIGN_KEYS_DIR": str(bo.server.data_dir / "keys")}
    refused = run(bo.server.data_dir, "restore", str(file))
    assert refused.returncode == 7, refused.stderr
    restored = run(other, "restore", str(file), "--json", env=keys)
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["epoch"] >= 2
    assert run(other, "ledger", "verify", env=keys).returncode == 0


def test_the_changes_of_a_period_are_exported_as_csv_and_json(bo: Terminal, ingrid: Terminal, tmp_path: Path) -> None:
    bo("flags", "create", "exported")
    applied = bo.json("flags", "on", "exported", "-e", "development", "-r", "For the export")
    period = ("--from", "2020-01-01", "--to", "2100-01-01T00:00:00Z")
    file = tmp_path / "changes.csv"
    told = ingrid("changes", "export", *period, "-p", "shop", "-e", "development", "-o", str(file))
    rows = [row for row in csv.DictReader(file.open(newline="", encoding="utf-8")) if row["request"] == applied["id"]]
    assert [(row["object_key"], row["reason"], row["environment"]) for row in rows] == [
        ("exported", "For the export", "development")
    ]
    assert sha256(file.read_bytes()).hexdigest() in told
    whole = json.loads(ingrid("changes", "export", *period, "--format", "json", "-o", "-"))
    assert applied["id"] in {row["request"] for row in whole["rows"]}
    assert "exists already" in ingrid("changes", "export", *period, "-o", str(file), code=3)
    assert "since" in ingrid("changes", "export", "--from", "soon", "--to", "2100-01-01", "-o", "-", code=3)
    assert "remedy" in bo("changes", "export", *period, "-o", "-", code=5)


def test_typed_constants_are_generated_from_a_project(bo: Terminal, tmp_path: Path) -> None:
    bo("flags", "create", "typed-menu", "--description", "A menu with types")
    module = tmp_path / "flags.py"
    assert "flags" in bo("flags", "codegen", str(module))
    text = module.read_text("utf-8")
    assert '#: A menu with types\nTYPED_MENU: Final = Flag("typed-menu")' in text
    assert "the project shop" in text
    assert "# Revisions: development 1." in text
    assert "up to date" in bo("flags", "codegen", str(module), "--check")
    bo("flags", "create", "typed-footer")
    bo("flags", "codegen", str(module), "--check", code=1)
    bo("flags", "codegen", str(module), "-p", "nowhere", code=4)


def test_the_data_map_what_is_held_and_erasures_are_read_and_nobody_is_erased_by_token(
    ingrid: Terminal, seeded: dict[str, Any]
) -> None:
    assert "identity_person" in ingrid("privacy", "map")
    assert {one["table"] for one in ingrid.json("privacy", "map")["tables"]} > {"ledger_entry", "identity_account"}
    assert "identity_account: 1" in ingrid("privacy", "me")
    assert ingrid.json("privacy", "me")["about"]["identity_person"][0]["email"] == "ingrid@example.com"
    assert "Nobody was erased." in ingrid("privacy", "erasures")
    refused = ingrid("privacy", "erase", seeded["ids"]["bo"], "--reason", "asked", code=5)
    assert "No token may" in refused


def test_policies_are_read_planned_and_proposed_as_code(ingrid: Terminal, tmp_path: Path) -> None:
    assert "1 approval by another person" in ingrid("policies", "show", "shop", "production")
    text = ingrid("policies", "export", "shop")
    file = tmp_path / "policies.yaml"
    file.write_text(text, "utf-8")
    assert "Nothing would change" in ingrid("policies", "plan", "shop", str(file))
    place = text.index("  production:")
    file.write_text(text[:place] + text[place:].replace("approvals: 1", "approvals: 2", 1), "utf-8")
    ingrid("policies", "plan", "shop", str(file), code=8)
    made = ingrid.json("policies", "apply", "shop", str(file), "--reason", "Two teams.")
    assert [(one["environment"], one["status"]) for one in made] == [("production", "in_review")]
    file.write_text(text.replace("approvals: 1", "approvals: some", 1), "utf-8")
    assert "must be a whole number" in ingrid("policies", "plan", "shop", str(file), code=3)
    assert "approvals" in ingrid("policies", "timeline", "shop", "production", "--format", "csv")
