"""A server on loopback that accepts what the SDK sends, so that anybody can look at it without having a server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RULES = {
    "version": 2,
    "features": [
        {
            "name": "example", "enabled": True, "project": "default", "variants": [],
            "strategies": [
                {"name": "flexibleRollout", "constraints": [], "variants": [],
                 "parameters": {"rollout": "50", "stickiness": "default", "groupId": "example"}},
            ],
        },
    ],
    "segments": [],
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The rules: as a stream that says them once, or whole."""
        if self.path.endswith("/client/streaming"):
            self._stream()
        else:
            self._answer(200, json.dumps(RULES).encode())

    def _stream(self) -> None:
        hydration = {"type": "hydration", "eventId": 1, **RULES}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Ensign-Node", "0")
        self.send_header("Ensign-Confirm-Within", "0")
        self.end_headers()
        data = json.dumps({"events": [hydration]})
        self.wfile.write(f"event: unleash-connected\nid: 1\nrevision: 1.1\ndata: {data}\n\n".encode())
        self.wfile.flush()
        self.rfile.read(1)  # until the client hangs up

    def do_POST(self) -> None:
        """Registration, counts and confirmations are accepted and forgotten."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(202, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # the base class names it so
        """Silent: only what the SDK sends is to be seen."""


@contextmanager
def rehearsal() -> Iterator[str]:
    """Serve on a free port of loopback for the block; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
