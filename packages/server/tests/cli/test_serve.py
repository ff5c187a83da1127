"""Claims about `ensign serve`: it starts from nothing, ends when told, and says in one line what stands in its way."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ensign_testkit.server import Server, run, serving


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated data directory, to be copied."""
    directory = tmp_path_factory.mktemp("prepared") / "data"
    done = run(directory, "migrate", "--json")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def data_dir(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("fresh") / "data") as running:
        yield running


def refused(done: object, code: int, *words: str) -> None:
    """One line with the error, one with the remedy, the exit code, and no traceback."""
    stderr = done.stderr  # type: ignore[attr-defined]  # a CompletedProcess
    assert done.returncode == code, stderr  # type: ignore[attr-defined]  # as above
    assert "Traceback" not in stderr
    assert stderr.startswith("error: "), stderr
    assert "remedy: " in stderr
    for word in words:
        assert word in stderr


def test_a_fresh_directory_is_served_with_a_set_up_link(server: Server) -> None:
    assert server.get("/healthz").body == b"ok\n"
    assert server.get("/readyz").json() == {"database": True, "rulesets": True}
    assert len(server.setup_link) == len("/setup/") + 43
    listening = server.get("/api/v1/openapi.json").json()
    assert listening["openapi"] == "3.1.0"


def test_the_key_files_and_the_database_are_the_owners_alone(server: Server) -> None:
    keys = server.data_dir / "keys"
    assert keys.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys.iterdir())


def test_only_this_machine_is_listened_to_by_default(server: Server) -> None:
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in own:
        if address.startswith("127."):
            continue
        with (
            pytest.raises((ConnectionError, TimeoutError)),
            socket.create_connection((address, server.port), timeout=2),
        ):
            pass


def test_pages_carry_a_strict_policy_and_static_files_are_kept_for_ever(server: Server) -> None:
    page = server.get("/nothing-here")
    assert page.status == 404
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Permissions-Policy"]
    css = page.body.decode().partition('href="/static/')[2].partition('"')[0]
    assert "immutable" in server.get(f"/static/{css}").headers["Cache-Control"]


def test_metrics_hold_numbers_for_this_machine(server: Server) -> None:
    server.get("/nothing-here")
    counted = 'ensign_http_requests_total{method="GET",plane="control",status="404"}'
    deadline = time.monotonic() + 20
    while counted not in (text := server.get("/metrics").body.decode()):  # counted after the answer has gone out
        assert time.monotonic() < deadline
    assert "ensign_build_info" in text


def test_sdk_addresses_go_to_the_delivery_plane(server: Server) -> None:
    answer = server.get("/api/client/features")
    assert answer.status == 401
    assert "Content-Security-Policy" not in answer.headers


def test_a_request_too_large_for_any_page_is_refused(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/api/v1/anything", b"x" * (3 * 1024 * 1024))
    assert connection.getresponse().status == 413
    connection.close()


def test_no_secret_reaches_the_log(server: Server) -> None:
    secret = "ensign_pat_" + "S" * 43
    server.get(f"/invite/{'L' * 43}?email=anna@example.com")
    server.request("GET", "/api/v1/projects", headers={"Authorization": f"Bearer {secret}"})
    server.wait_for(r'"route": "[^"]*", "status": 40[14][^\n]*\n(?s:.*)"event": "request"')
    printed = "".join(line for line in server.lines if "/setup/" not in line)
    for word in ("SSSSSSSS", "LLLLLLLL", "anna@example.com"):
        assert word not in printed


def test_a_signal_ends_it_well_and_the_lock_is_free_again(data_dir: Path) -> None:
    first = Server(data_dir)
    assert first.stop(signal.SIGTERM) == 0
    second = Server(data_dir)
    assert second.stop(signal.SIGINT) == 0


def test_a_second_server_on_one_sqlite_file_is_refused(data_dir: Path) -> None:
    with serving(data_dir) as first:
        done = run(data_dir, "serve", "--port", "0")
        refused(done, 7, f"process {first.process.pid}", "PostgreSQL")
        assert first.get("/readyz").status == 200


def test_a_killed_server_leaves_no_lock_behind(data_dir: Path) -> None:
    Server(data_dir).stop(signal.SIGKILL)
    with serving(data_dir) as again:
        assert again.get("/readyz").status == 200


def test_a_port_in_use_is_named(data_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(run(data_dir, "serve", "--port", str(port)), 7, f"Port {port}", "--port")


def test_an_address_of_another_machine_is_named(data_dir: Path) -> None:
    refused(run(data_dir, "serve", "--port", "0", "--host", "192.0.2.1"), 7, "192.0.2.1")


def test_a_newer_schema_is_named_and_left_alone(data_dir: Path) -> None:
    file = data_dir / "ensign.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('flags', '0099_later', '2030-01-01')"
        )
    connection.close()
    for command in (["serve", "--port", "0"], ["migrate"], ["ledger", "verify"]):
        refused(run(data_dir, *command), 7, "newer version", "flags.0099_later")


def test_a_missing_trigger_stops_the_start(data_dir: Path) -> None:
    """Fail closed. A migration run would restore it, so the message says to find out first."""
    connection = sqlite3.connect(data_dir / "ensign.sqlite3")
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    connection.execute(f'DROP TRIGGER "{names[0]}"')
    connection.commit()
    connection.close()
    refused(run(data_dir, "serve", "--port", "0"), 7, names[0], "ensign ledger verify")


def test_a_log_is_not_served_without_the_key_that_signs_it(data_dir: Path) -> None:
    key = data_dir / "keys" / "ledger.key"
    text = key.read_text()
    key.write_text("11" * 32 + "\n")
    refused(run(data_dir, "serve", "--port", "0"), 7, "ledger.key", "SHA256:", "ENSIGN_KEYS_DIR")
    key.unlink()
    for command in (("serve", "--port", "0"), ("worker",), ("ledger", "export", "-o", str(data_dir / "e.zip"))):
        refused(run(data_dir, *command), 7, "ledger.key", "ENSIGN_KEYS_DIR")
    assert not key.exists()  # a new one would stand in the right one's place
    key.write_text(text)
    assert run(data_dir, "ledger", "export", "-o", str(data_dir / "e.zip")).returncode == 0


def test_a_file_that_is_no_database_is_named(data_dir: Path) -> None:
    (data_dir / "ensign.sqlite3").write_bytes(b"not a database, by far" * 100)
    refused(run(data_dir, "serve", "--port", "0"), 7, "ensign.sqlite3", "ensign restore")


def test_a_disk_that_takes_no_more_is_named(tmp_path: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = run(tmp_path / "data", "serve", "--port", "0", preexec_fn=full)
    refused(done, 7, "data")


def test_a_read_only_disk_is_named(data_dir: Path) -> None:
    """Root may write everywhere, so as root this runs without that capability."""
    for directory in (data_dir / "keys", data_dir):
        directory.chmod(0o500)
    for file in data_dir.glob("ensign*"):
        file.chmod(0o400)
    prefix = []
    if os.geteuid() == 0:
        prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--"]
    done = run(data_dir, "serve", "--port", "0", prefix=prefix)
    refused(done, 7, str(data_dir))


def test_a_wrong_setting_is_named(data_dir: Path) -> None:
    refused(run(data_dir, "serve", env={"ENSIGN_DEBUG": "maybe"}), 7, "ENSIGN_DEBUG", "maybe")
    refused(run(data_dir, "serve", env={"DATABASE_URL": "mysql://x"}), 7, "postgres://")


def test_a_database_that_does_not_answer_is_named(data_dir: Path) -> None:
    url = "postgres://someone@127.0.0.1:9/none"
    refused(run(data_dir, "serve", "--port", "0", env={"DATABASE_URL": url}), 7, "DATABASE_URL")
