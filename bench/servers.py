"""The servers that deliver flags, each started here on this machine with the same thousand flags: for `delivery`."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "packages" / "server" / "testkit")]

from ensign_testkit.installing import place  # noqa: E402  # found by the path set above
from ensign_testkit.postgres import Cluster  # noqa: E402  # as above
from ensign_testkit.server import Server, environment, run, serving  # noqa: E402  # as above
from load import Shot  # noqa: E402  # as above

from bench.peers import install, rules  # noqa: E402  # as above

SECRET = "0123456789abcdef"
PASSWORD = "correct-Horse-battery-1"


@dataclass
class Target:
    """A running server: its port, tokens for SDKs (`backend`) and browsers (`frontend`), and its process."""

    name: str
    port: int
    backend: str
    frontend: str
    process: int

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None, *, seconds: float = 60
    ) -> tuple[int, bytes]:
        """One request: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def etag(self, shot: Shot) -> str:
        """The ETag of what a request is answered with; it may depend on the request's headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(shot.method, shot.path, headers=shot.headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.headers.get("etag", "")

    def memory(self) -> float:
        """Resident MiB."""
        for line in Path(f"/proc/{self.process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1]) / 1024
        raise RuntimeError("the server has ended")


def fill() -> None:
    """Make a project, the flags and tokens in the installation of this process's environment; print the tokens."""
    from ensign.cli import local  # deferred: settings read the environment of this process

    local.set_up()
    from ensign.control.flags.operations import create_flag  # deferred: after the set-up of Django
    from ensign.control.kernel import clock  # deferred: as above
    from ensign.control.projects.tokens import create_token  # deferred: as above
    from ensign_testkit.targets import put, shop  # deferred: as above

    anna, at = shop(), clock.now()
    kinds = rules.kinds()
    for key in kinds:
        create_flag(actor=anna, at=at, project="shop", key=key)
    contents = {key: _content(kind) for key, kind in kinds.items()}
    keys = list(kinds)
    for start in range(0, len(keys), 100):
        put({key: contents[key] for key in keys[start : start + 100]}, environment="production")
    wish = {"name": "bench", "projects": ["shop"], "environment": "production"}
    made = {kind: create_token(actor=anna, at=at, type=kind, **wish).text for kind in ("backend", "frontend")}
    print(json.dumps(made))


def _content(kind: str) -> Any:
    """A flag of `rules`, as Ensign keeps it."""
    from ensign.control.flags.domain import Constraint, FlagConfig, Payload, Variant  # deferred: as above
    from ensign_testkit.targets import rollout  # deferred: as above

    constraints = (
        Constraint(context_name="country", operator="IN", values=rules.COUNTRIES),
        Constraint(context_name="plan", operator="IN", values=(rules.PLAN,)),
        Constraint(context_name="version", operator="SEMVER_GT", value=rules.VERSION),
    )
    variants = tuple(
        Variant(name=name, weight=weight, payload=Payload(type="string", value=name)) for name, weight in rules.WEIGHTS
    )
    strategy = {
        rules.PLAIN: lambda: rollout(100),
        rules.ROLLOUT: lambda: rollout(50),
        rules.CONSTRAINTS: lambda: rollout(30, constraints=constraints),
        rules.VARIANTS: lambda: rollout(100, variants=variants),
    }[kind]()
    return FlagConfig(enabled=True, strategies=(strategy,))


@contextmanager
def ensign(cluster: Cluster, folder: Path) -> Iterator[Target]:
    """`ensign serve` on PostgreSQL, as its own user there."""
    home, data = place(cluster), folder / "ensign"
    migrated = run(data, "migrate", env=home.migrating)
    if migrated.returncode:
        raise RuntimeError(migrated.stdout + migrated.stderr)
    made = subprocess.run(
        [sys.executable, __file__, "--fill"],
        env=environment(data, home.serving), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(made.stderr)
    tokens = json.loads(made.stdout.splitlines()[-1])
    with serving(data, env=home.serving) as server:
        assert isinstance(server, Server)
        yield Target("Ensign", server.port, tokens["backend"], tokens["frontend"], server.process.pid)


@contextmanager
def unleash(cluster: Cluster, folder: Path, features: list[dict[str, Any]]) -> Iterator[Target]:
    """The Unleash server from npm, with the features that Ensign delivers. Raises install.Missing, RuntimeError."""
    place_ = install.unleash_server()
    with cluster.admin() as connection:
        connection.execute("CREATE DATABASE unleash")
    port = _free()
    tokens = {kind: f"default:development.{kind}{SECRET}" for kind in ("backend", "frontend")}
    unlimited = {
        f"{name}_RATE_LIMIT_PER_MINUTE": "100000000"
        for name in ("REGISTER_CLIENT", "CLIENT_METRICS", "REGISTER_FRONTEND", "FRONTEND_METRICS")
    }
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **unlimited,
        "NODE_ENV": "production", "DATABASE_URL": cluster.url("postgres", "unleash"), "DATABASE_SSL": "false",
        "HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port), "LOG_LEVEL": "error", "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false", "INIT_BACKEND_API_TOKENS": tokens["backend"],
        "INIT_FRONTEND_API_TOKENS": tokens["frontend"], "UNLEASH_DEFAULT_ADMIN_USERNAME": "admin",
        "UNLEASH_DEFAULT_ADMIN_PASSWORD": PASSWORD,
    }  # fmt: skip
    command = ["node", str(place_ / "node_modules" / "unleash-server" / "dist" / "server.js")]
    with _process(command, env=env, log=folder / "unleash.log") as process:
        target = Target("Unleash server", port, tokens["backend"], tokens["frontend"], process.pid)
        _wait(target, "/health", process, folder / "unleash.log", seconds=180)
        _import(target, features)
        yield target


def _import(target: Target, features: list[dict[str, Any]]) -> None:
    """Give Unleash what Ensign delivers, by its own import. Raises RuntimeError."""
    strategies = [
        {**{key: value for key, value in strategy.items() if key in {"name", "parameters", "constraints", "variants"}},
         "featureName": feature["name"]}
        for feature in features for strategy in feature["strategies"]
    ]  # fmt: skip
    data = {
        "features": [{"name": feature["name"], "type": "release", "project": "default"} for feature in features],
        "featureStrategies": strategies,
        "featureEnvironments": [
            {"enabled": True, "featureName": feature["name"], "environment": "development", "name": feature["name"]}
            for feature in features
        ],
        "contextFields": [{"name": name} for name in rules.ATTRIBUTES],
        "featureTags": [], "segments": [], "tagTypes": [], "dependencies": [],
    }  # fmt: skip
    # Tokens may not import, so its first administrator signs in.
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    person = json.dumps({"username": "admin", "password": PASSWORD})
    connection.request("POST", "/auth/simple/login", person, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    cookie = response.headers.get("set-cookie", "").split(";")[0]
    connection.close()
    headers = {"Cookie": cookie, "Content-Type": "application/json"}
    body = json.dumps({"environment": "development", "project": "default", "data": data})
    status, said = target.ask("POST", "/api/admin/features-batch/import", headers, body, seconds=300)
    if status >= 300:
        raise RuntimeError(f"the import answered {status}: {said[:300]!r}")


@contextmanager
def edge(folder: Path, features: dict[str, Any]) -> Iterator[Target]:
    """Unleash Edge, offline, with the same features. Raises install.Missing, RuntimeError."""
    program = install.unleash_edge()
    kept = folder / "features.json"
    kept.write_text(json.dumps(features), encoding="utf-8")
    port, log = _free(), folder / "edge.log"
    tokens = {kind: f"*:production.{kind}{SECRET}" for kind in ("client", "frontend")}
    options = [part for kind, token in tokens.items() for part in (f"--{kind}-tokens", token)]
    command = [str(program), "--port", str(port), "--interface", "127.0.0.1", "offline", "--bootstrap-file", str(kept),
               "--workers", "1", *options]  # fmt: skip
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with _process(command, env=env, log=log) as process:
        target = Target("Unleash Edge", port, tokens["client"], tokens["frontend"], process.pid)
        _wait(target, "/internal-backstage/health", process, log, seconds=30)
        yield target


@contextmanager
def _process(command: list[str], *, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=log.parent)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(target: Target, path: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float) -> None:
    """Until it answers. Raises RuntimeError with what it printed last."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            if target.ask("GET", path, {}, seconds=5)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{target.name} does not answer: {log.read_text(errors='replace')[-400:]}")


def _free() -> int:
    from ensign_testkit.postgres import _free_port  # deferred: a helper of the testkit, used twice only

    return _free_port()


if __name__ == "__main__" and "--fill" in sys.argv:
    fill()
