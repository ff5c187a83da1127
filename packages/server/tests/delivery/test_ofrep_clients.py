"""Claims: OpenFeature's own OFREP providers work as they are against a real `ensign serve`.

They give the values that our engine gives, of the right type, and the application's default where there is none;
they see a change, the web provider by its stream as well as by polling. Each runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_testkit.browsing import launch
from ensign_testkit.contracts import pinned
from ensign_testkit.installing_clients import npm
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent / "clients" / "ofrep"
PINNED = pinned()
VALUES = "12 flags of every type x 6 contexts, before and after a change: values and types as our engine says"
#: (package, language, mode, what is tried) of each that this file runs.
CLIENTS = {
    "python": ("openfeature-provider-ofrep", "Python", "by key", f"{VALUES}, defaults where there is none"),
    "node": ("@openfeature/ofrep-provider", "Node", "by key", f"{VALUES}; a missing one is the default, with an error"),
    "stream": (
        "@openfeature/ofrep-web-provider", "browser", "all at once, event stream",
        f"{VALUES}; one refetch on a change, named by the event",
    ),
    "revoked": (
        "@openfeature/ofrep-web-provider", "browser", "all at once, event stream", "a revoked token ends the stream"
    ),
    "polling": (
        "@openfeature/ofrep-web-provider", "browser", "all at once, polling", "304 until something changes"
    ),
}  # fmt: skip

EVERYBODY = {"rollout": "100", "stickiness": "default", "groupId": "g"}
HALF = {"rollout": "50", "stickiness": "userId", "groupId": "g"}
NORDIC = [{"context_name": "country", "operator": "IN", "values": ["SE", "NO"]}]


def variant(name: str, kind: str = "", value: str = "", weight: int = 500) -> dict[str, Any]:
    payload = {"payload": {"type": kind, "value": value}} if kind else {}
    return {"name": name, "weight": weight, "stickiness": "userId", **payload}


#: Flag -> strategy, variants, on or off.
WORLD: dict[str, tuple[dict[str, Any], list[dict[str, Any]], bool]] = {
    "watched": ({"parameters": EVERYBODY}, [], True),
    "off": ({"parameters": EVERYBODY}, [], False),
    "half": ({"parameters": HALF}, [], True),
    "nordic": ({"parameters": EVERYBODY, "constraints": NORDIC}, [], True),
    "colour": ({"parameters": EVERYBODY}, [variant("blue"), variant("red", "string", "#f00")], True),
    "size": ({"parameters": EVERYBODY}, [variant("small", "number", "1"), variant("large", "number", "30")], True),
    "ratio": ({"parameters": EVERYBODY}, [variant("one", "number", "1"), variant("half", "number", "0.5")], True),
    "whole": ({"parameters": EVERYBODY}, [variant("w", "number", "2.0", 1000)], True),
    "layout": ({"parameters": HALF}, [variant("a", "json", '{"a":[1,2.5]}'), variant("list", "json", "[1]")], True),
    "partly": ({"parameters": EVERYBODY}, [variant("control"), variant("new", "json", '{"n":1}')], True),
    "colour-off": ({"parameters": EVERYBODY}, [variant("blue", weight=1000)], False),
    "dotted.name_(1)~!": ({"parameters": EVERYBODY}, [], True),
}
#: What each variant is worth; None: nothing, so that the application's default counts.
WORTH: dict[str, dict[str, Any]] = {
    "colour": {"blue": "blue", "red": "#f00"}, "size": {"small": 1, "large": 30}, "ratio": {"one": 1.0, "half": 0.5},
    "whole": {"w": 2.0}, "layout": {"a": {"a": [1, 2.5]}, "list": [1]}, "partly": {"control": None, "new": {"n": 1}},
    "colour-off": {"blue": "blue"},
}  # fmt: skip
#: (flag, type, the application's default)
ASKED: list[tuple[str, str, Any]] = [
    *((key, "boolean", True) for key in ("watched", "off", "half", "nordic", "dotted.name_(1)~!")),
    ("colour", "string", "grey"), ("size", "integer", -1), ("ratio", "float", -1.5), ("whole", "float", -1.5),
    ("layout", "object", {"default": 1}), ("partly", "object", {"default": 1}), ("colour-off", "string", "grey"),
    ("colour", "boolean", True), ("unheard-of", "string", "grey"),
]  # fmt: skip
CONTEXTS = [{"targetingKey": str(user), "country": ("SE", "DE")[user % 2]} for user in range(6)]


class World:
    """A real server with the flags above in development, and its tokens."""

    def __init__(self, data_dir: Path) -> None:
        assert run(data_dir, "migrate").returncode == 0
        self._bearer = {"Authorization": f"Bearer {seed(data_dir)['tokens']['ingrid']}"}
        self.server = Server(data_dir)
        self.number = 0
        operations: list[dict[str, Any]] = []
        for key, (strategy, variants, on) in WORLD.items():
            self._call("/projects/shop/flags", {"key": key})
            operations.append(
                {"type": "strategy.add", "flag": key, "strategy": {"name": "flexibleRollout", **strategy}}
            )
            if variants:
                operations.append({"type": "variants.set", "flag": key, "variants": variants})
            if on:
                operations.append({"type": "flag.enable", "flag": key})
        self.change(*operations)
        self.tokens = {
            kind: self._call(
                "/client-tokens", {"name": kind, "type": kind, "projects": ["shop"], "environment": "development"}
            )["token"]
            for kind in ("backend", "frontend")
        }
        until(lambda: self._get("/api/client/features").status == 200)
        until(lambda: len(self.items(CONTEXTS[0])) == len(WORLD))

    def _call(self, path: str, body: object) -> Any:
        answer = self.server.request("POST", f"/api/v1{path}", body, headers=self._bearer)
        assert answer.status == 201, answer.body
        return answer.json()

    def _get(self, path: str) -> Any:
        return self.server.get(path, Authorization=self.tokens["backend"])

    def change(self, *operations: dict[str, Any]) -> None:
        """A change that needs no approval."""
        self._call(
            "/projects/shop/environments/development/changes", {"reason": "Try it.", "operations": list(operations)}
        )

    def switch(self, *, on: bool) -> None:
        """Switch the watched flag, and wait until this node answers so."""
        if self.items(CONTEXTS[0])["watched"]["value"] is not on:
            self.change({"type": "flag.enable" if on else "flag.disable", "flag": "watched"})
        until(lambda: self.items(CONTEXTS[0])["watched"]["value"] is on)

    def items(self, context: dict[str, Any]) -> dict[str, Any]:
        """What the wire says."""
        headers = {"X-API-Key": self.tokens["backend"]}
        answer = self.server.request("POST", "/ofrep/v1/evaluate/flags", {"context": context}, headers=headers)
        return {item["key"]: item for item in answer.json()["flags"]} if answer.status == 200 else {}

    def expected(self, *, absent_is_an_error: bool) -> list[list[dict[str, Any]]]:
        """What the providers must say: values by our engine, from the rules that SDKs get; reasons as on the wire."""
        engine = Ruleset.parse(self._get("/api/client/features").json())
        found = []
        for key, kind, default in ASKED:
            row = []
            for context in CONTEXTS:
                evaluation = engine.evaluate(key, {"userId": context["targetingKey"], **context})
                on, name = evaluation.enabled, evaluation.variant.name
                said = name if evaluation.variant.enabled else "enabled" if on else "disabled"
                reason = self.items(context).get(key, {}).get("reason")
                answer = {"value": default, "variant": said, "reason": reason, "error": None}
                if not evaluation.found:
                    answer |= {"variant": None, "reason": "ERROR", "error": "FLAG_NOT_FOUND"}
                elif key not in WORTH:
                    answer["value"] = on
                elif kind == "boolean":
                    answer |= {"variant": None, "reason": "ERROR", "error": "TYPE_MISMATCH"}
                elif evaluation.variant.enabled and WORTH[key][name] is not None:
                    answer["value"] = WORTH[key][name]
                elif absent_is_an_error:
                    answer |= {"variant": None, "reason": "ERROR", "error": "GENERAL"}
                row.append(answer)
            found.append(row)
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("ofrep") / "data")
    try:
        yield made
    finally:
        made.server.stop()
    printed = "".join(made.server.lines)
    assert "Traceback" not in printed
    assert "/ofrep/v1/stream" not in printed, "addresses of streams are secret"


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm("ofrep", HERE)


@pytest.fixture
def declare(contract: Callable[..., None]) -> Callable[[str], None]:
    """Gives the test the row of one of `CLIENTS` in docs/reference/clients.md."""

    def declare(name: str) -> None:
        package, language, mode, tried = CLIENTS[name]
        contract(package, PINNED[package], mode, tried=tried, language=language)

    return declare


def by_flag(answers: list[Any]) -> dict[str, Any]:
    """The answers with names, so that a difference can be read."""
    return {f"{key} as {kind}": row for (key, kind, _), row in zip(ASKED, answers, strict=True)}


@pytest.mark.parametrize("ending", ["", "/"])
@pytest.mark.parametrize("client", ["python", "node"])
def test_providers_of_servers_agree_with_our_engine(
    client: str, ending: str, world: World, modules: Path, declare
) -> None:
    if not ending:  # with a slash it is the same client
        declare(client)
    world.switch(on=True)
    given = {
        "url": world.server.url + ending, "token": world.tokens["backend"], "flags": ASKED, "contexts": CONTEXTS,
        "watch": "watched",
    }  # fmt: skip
    if client == "python":
        command = [sys.executable, str(HERE / "python_client.py"), json.dumps(given)]
    else:
        command = ["node", str(HERE / "node_client.mjs"), json.dumps(given), str(modules)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            rounds = []
            for on in (True, False):
                answers = json.loads(process.stdout.readline() or "null")
                assert answers is not None, process.communicate(timeout=10)[1]
                rounds.append(answers)
                assert by_flag(answers) == by_flag(world.expected(absent_is_an_error=client == "node"))
                if on:
                    world.switch(on=False)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert rounds[0] != rounds[1]
    if client == "python":
        for (_, kind, _), row in zip(ASKED, rounds[0], strict=True):
            wanted = {"integer": int, "float": float}.get(kind)
            assert wanted is None or all(type(answer["value"]) is wanted for answer in row)


@pytest.fixture(scope="module")
def page_url(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page of another origin, with the provider bundled into its script."""
    site = tmp_path_factory.mktemp("site")
    (site / "index.html").write_text('<!doctype html><title>Shop</title><script src="client.js"></script>')
    command = [
        str(modules / "node_modules" / ".bin" / "esbuild"), str(HERE / "web_client.mjs"), "--bundle", "--format=iife",
        f"--outfile={site / 'client.js'}",
    ]  # fmt: skip
    environment = {**os.environ, "NODE_PATH": str(modules / "node_modules")}
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60)
    with files(site) as url:
        yield url


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """A web server for a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def started(world: World, page_url: str, token: str, **options: Any) -> Iterator[Page]:
    """A page whose provider is ready."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page()
        page.goto(page_url)
        given = {
            "url": world.server.url, "token": token, "flags": ASKED, "contexts": CONTEXTS,
            "options": {"cacheMode": "disabled", **options},
        }  # fmt: skip
        page.evaluate("given => contract.start(given)", given)
        yield page
        page.evaluate("() => contract.stop()")


def seen(page: Page) -> dict[str, Any]:
    """Requests, changes and troubles so far."""
    found: dict[str, Any] = page.evaluate("() => contract.seen")
    return found


def watched(page: Page) -> bool:
    """What the page says of the watched flag."""
    return page.evaluate("() => contract.answer(['watched', 'boolean', true]).value") is True


@pytest.mark.browser
def test_the_web_provider_agrees_and_hears_of_a_change_by_its_stream(world: World, page_url: str, declare) -> None:
    declare("stream")
    world.switch(on=True)
    with started(world, page_url, world.tokens["frontend"]) as page:
        answers = page.evaluate("() => contract.answers()")
        assert by_flag(answers) == by_flag(world.expected(absent_is_an_error=False))
        until(lambda: any("flagConfigEtag" in request["url"] for request in seen(page)["requests"]))
        before = len(seen(page)["requests"])
        world.switch(on=False)
        page.wait_for_function("() => !contract.answer(['watched', 'boolean', true]).value", timeout=30_000)
        news = seen(page)["requests"][before:]
        assert [("flagConfigEtag=1." in request["url"], request["status"]) for request in news] == [(True, 200)]
        assert seen(page)["changes"][-1] == ["watched"]
        assert seen(page)["troubles"] == []
        answers = page.evaluate("() => contract.answers()")
        assert by_flag(answers) == by_flag(world.expected(absent_is_an_error=False))


@pytest.mark.browser
def test_a_revoked_token_ends_the_web_providers_stream(world: World, page_url: str, declare) -> None:
    declare("revoked")
    wish = {"name": "brief", "type": "frontend", "projects": ["shop"], "environment": "development"}
    made = world._call("/client-tokens", wish)
    token = made["token"]
    until(lambda: world.server.get("/api/frontend", Authorization=token).status == 200)
    with started(world, page_url, token) as page:
        until(lambda: any("flagConfigEtag" in request["url"] for request in seen(page)["requests"]))
        path = f"/api/v1/client-tokens/{made['id']}/revoke"
        answer = world.server.request("POST", path, {"reason": "Enough."}, headers=world._bearer)
        assert answer.status in {200, 204}, answer.body
        until(lambda: bool(seen(page)["troubles"]))
        until(lambda: seen(page)["requests"][-1]["status"] == 401)


@pytest.mark.browser
def test_the_web_provider_polls_with_its_tag(world: World, page_url: str, declare) -> None:
    declare("polling")
    world.switch(on=True)
    options = {"changeDetection": "polling", "pollInterval": 200}
    with started(world, page_url, world.tokens["frontend"], **options) as page:
        until(lambda: [request["status"] for request in seen(page)["requests"]].count(304) >= 2)
        first, *later = seen(page)["requests"]
        assert (first["status"], first["sent"]) == (200, None)
        assert first["etag"], "the tag can be read across origins"
        assert all(request["sent"] == first["etag"] for request in later)
        world.switch(on=False)
        page.wait_for_function("() => !contract.answer(['watched', 'boolean', true]).value", timeout=30_000)
        assert {request["status"] for request in seen(page)["requests"]} == {200, 304}
        assert seen(page)["troubles"] == []


def test_the_address_of_a_stream_survives_a_restart_of_the_server(world: World) -> None:
    headers = {"Authorization": world.tokens["frontend"]}
    answer = world.server.request("POST", "/ofrep/v1/evaluate/flags", {}, headers=headers).json()
    address = answer["eventStreams"][0]["endpoint"]["requestUri"]
    lines = world.server.lines
    world.server.stop()
    world.server = Server(world.server.data_dir)
    until(lambda: world.server.get("/ready").status == 200)
    with EventStream(world.server.port, "", path=address) as stream:
        assert json.loads(stream.event().fields["data"])["type"] == "refetchEvaluation"
    assert not any("/ofrep/v1/stream" in line for line in lines), "addresses of streams are secret"
