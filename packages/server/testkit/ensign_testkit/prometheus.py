"""A small server that answers `/api/v1/query` as Prometheus does, for tests; and the environment that lets it be asked.

Answers are of the shapes that Prometheus 2 and 3 give (its documentation, "HTTP API: instant queries").
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


def vector(*values: str) -> dict[str, Any]:
    """An answer with so many series."""
    found = [{"metric": {"series": str(n)}, "value": [1_700_000_000.781, value]} for n, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": found}}


def scalar(value: str) -> dict[str, Any]:
    """An answer to a query that gives a scalar."""
    return {"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000.781, value]}}


BAD_QUERY: dict[str, Any] = {
    "status": "error", "errorType": "bad_data",
    "error": 'invalid parameter "query": 1:5: parse error: unexpected identifier "is"',
}  # fmt: skip


@dataclass
class Prometheus:
    """What is answered to which query; ``asked`` are the queries, ``authorizations`` the headers that came."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    """Set: queries named ``hang`` get their answer."""


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    """Serve on a free port of this machine."""
    told = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = parse_qs(address.query).get("query", [""])[0]
            told.asked.append(query)
            told.authorizations.append(self.headers.get("Authorization", ""))
            if query == "hang":
                told.hanging.wait(30)
            known = address.path.endswith("/api/v1/query")
            body = json.dumps(told.answers.get(query, vector()) if known else {}).encode()
            self.send_response(told.status if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.hanging.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
