"""A gateway between one client and a server that writes down what was asked for and what was answered."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the status of its answer; ``headers`` are the request's, with names in lower case."""

    method: str
    path: str
    status: int
    headers: dict[str, str]


class Gateway:
    """Passes everything on to 127.0.0.1:``port``, streams piece by piece. A context manager.

    Each has a loopback address of its own, as a server holds back an address that was refused too often.
    """

    _last = 1

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        Gateway._last = Gateway._last % 250 + 1
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port, f"127.0.1.{Gateway._last}", self.asked))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def paths(self) -> set[str]:
        """The addresses that were asked for, without their queries."""
        return {one.path.partition("?")[0] for one in self.asked}

    def wait_for(self, wanted: Callable[[Asked], bool], *, since: int = 0, seconds: float = 30) -> Asked:
        """The first request after the first ``since`` ones that is ``wanted``; fails when it does not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = next((one for one in self.asked[since:] if wanted(one)), None)
            if found is not None:
                return found
            seen = [(one.method, one.path, one.status) for one in self.asked[since:][-8:]]
            assert time.monotonic() < deadline, f"it was not asked for; the last requests: {seen}"
            time.sleep(0.05)


def _handler(port: int, source: str, asked: list[Asked]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

        def _pass(self) -> None:
            body = self._body()
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
            self.close_connection = True
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                named = {name.lower(): value for name, value in self.headers.items()}
                asked.append(Asked(self.command, self.path, answer.status, named))
                self._answer(answer)
            except (OSError, http.client.HTTPException):
                pass  # one of the two has left; the other sees its connection end
            finally:
                connection.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            chunked = answer.headers.get("Transfer-Encoding") == "chunked"
            length = (
                ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", answer.headers["Content-Length"])
            )
            self.send_header(length[0], length[1] or "0")
            self.end_headers()
            while piece := answer.read1(65536):
                # In the same pieces: clients read a stream's first event before the second comes.
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                self.wfile.flush()
            if chunked:
                self.wfile.write(b"0\r\n\r\n")

        def _body(self) -> bytes | None:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else None

    for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler._pass)
    return Handler
