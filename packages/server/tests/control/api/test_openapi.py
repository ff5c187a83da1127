"""Claims about the whole API: it is described, every body refuses unknown fields, and no input makes it fail."""

from __future__ import annotations

import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.control.api.root import api
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.installing import place
from ensign_testkit.postgres import Cluster
from ensign_testkit.seeding import seed
from ensign_testkit.server import run, serving
from pydantic import BaseModel


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every pydantic model in an annotation, and in the fields of those."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    elif isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_origin(annotation) is not None:
        for part in typing.get_args(annotation):
            yield from models(part)


def bodies() -> Iterator[tuple[str, type[BaseModel]]]:
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for model in operation.models:
                    if model.__ninja_param_source__ == "body":
                        for field in model.model_fields.values():
                            for found in models(field.annotation):
                                yield f"{operation.methods[0]} {path}", found


def test_every_body_refuses_unknown_fields() -> None:
    found = list(bodies())
    assert len(found) > 15
    loose = {f"{where}: {model.__name__}" for where, model in found if model.model_config.get("extra") != "forbid"}
    assert loose == set()


def test_every_endpoint_demands_a_caller_and_has_an_id_of_its_own() -> None:
    schema = api.get_openapi_schema(path_prefix="/api/v1/")
    operations = [o for path in schema["paths"].values() for o in path.values()]
    ids = [o["operationId"] for o in operations]
    assert len(ids) == len(set(ids))
    # The ID token in the form is the credential (RFC 8693); nothing else is answered to nobody.
    assert {o["operationId"] for o in operations if not o.get("security")} == {"federation_exchange_token"}


_ENDING = "/tokens/[^/]+/(rotate|revoke)$|/sessions/"


@pytest.fixture
def env(databases: SqliteFactory | PostgresFactory, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an installation on the database that the tests were asked for."""
    if databases.vendor == "sqlite":
        yield {}
        return
    cluster = Cluster()
    try:
        at = place(cluster)
        assert run(tmp_path / "data", "migrate", env=at.migrating).returncode == 0
        yield at.serving
    finally:
        cluster.close()


#: Phases of schemathesis, and how many requests it makes up for each operation: some in every run, all in the slow one.
SOME, ALL = ("examples,fuzzing", 4), ("examples,coverage,fuzzing", 20)


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        pytest.param(*SOME, marks=pytest.mark.once),
        pytest.param(*ALL, marks=[pytest.mark.slow, pytest.mark.timeout(1_300)]),
    ],
)
def test_no_generated_request_makes_the_server_fail(
    tmp_path: Path, env: dict[str, str], phases: str, examples: int
) -> None:
    """schemathesis: made-up and mutated requests, chained by the links between endpoints, against a real server."""
    rates = {"ENSIGN_API_RATE": "1000000", "ENSIGN_API_WRITE_RATE": "1000000"}
    with serving(tmp_path / "data", env={**env, **rates}) as server:
        token = seed(server.data_dir, **env)["tokens"]["ingrid"]
        # What can end the very token that asks comes last: everything after it would be answered with 401.
        for chosen in (["--exclude-path-regex", f"/exports?(/|$)|{_ENDING}"], ["--include-path-regex", _ENDING]):
            command = [
                str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/api/v1/openapi.json",
                "--header", f"Authorization: Bearer {token}", "--checks",
                "not_a_server_error,content_type_conformance,ignored_auth", "--max-examples", str(examples),
                "--phases", phases, "--seed", "1", "--workers", "1", "--no-color", *chosen,
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False, cwd=tmp_path)
            report = done.stdout[-9000:] + done.stderr[-2000:] + "".join(server.lines[-30:])
            assert done.returncode == 0, report
            if chosen[0] == "--exclude-path-regex":
                still = server.request("GET", "/api/v1/whoami", None, headers={"Authorization": f"Bearer {token}"})
                assert still.status == 200, "the token that asks was ended on the way"
