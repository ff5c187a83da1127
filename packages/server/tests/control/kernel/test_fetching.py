"""Claims: what is fetched comes from the checked address, proves its name, and takes bounded time and room."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ensign.control.kernel import fetching, outbound
from ensign.control.kernel.errors import Invalid
from ensign_testkit.certificates import Authority


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        try:
            for part in self.parts():
                self.wfile.write(part)
        except OSError:
            pass  # the other side has had enough

    def parts(self) -> Iterator[bytes]:
        if self.path == "/drip":
            for _ in range(200):
                ended.wait(0.1)
                yield b"x"
        elif self.path == "/large":
            yield b"x" * 1_000_000
        else:
            yield b'{"a": 1}'

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


ended = threading.Event()


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def target(port: int, path: str = "/", scheme: str = "http", host: str = "op.example.com") -> outbound.Target:
    """A target as the guard makes it: the name that was given, the address that was checked."""
    return outbound.Target(f"{scheme}://{host}{path}", scheme, host, port, path, "127.0.0.1")


def test_the_answer_comes_from_the_checked_address_under_the_name_that_was_given() -> None:
    with served() as port:
        answer = fetching.fetch(target(port))
        assert (answer.status, answer.json()) == (200, {"a": 1})
        assert answer.headers["x-host"] == f"op.example.com:{port}"


def test_a_redirect_is_an_answer() -> None:
    with served() as port:
        assert fetching.fetch(target(port, "/away")).status == 302


def test_a_drip_is_cut_off_and_too_much_is_not_read() -> None:
    with served() as port:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            fetching.fetch(target(port, "/drip"), timeout=1.0)
        assert time.monotonic() - began < 15, "it would have dripped for 20 seconds"
        with pytest.raises(OSError, match="too long"):
            fetching.fetch(target(port, "/large"), limit=1000)


def test_over_tls_the_server_proves_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with served(authority.server("op.example.com")) as port:
        with pytest.raises(OSError, match="certificate"):
            fetching.fetch(target(port, scheme="https"))
        monkeypatch.setattr(fetching, "_tls", lambda: trusting)
        assert fetching.fetch(target(port, scheme="https")).status == 200
        with pytest.raises(OSError, match="certificate"):
            fetching.fetch(target(port, scheme="https", host="evil.example"))


def test_plain_http_is_for_networks_that_were_allowed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    assert fetching.guarded("http://127.0.0.1:8080/x").port == 8080
    for url in ("http://93.184.216.34/", "http://10.0.0.1/", "https://10.0.0.1/", "https://user@127.0.0.1/"):
        with pytest.raises(Invalid):
            fetching.guarded(url)
    monkeypatch.delenv("ENSIGN_OUTBOUND_ALLOW")
    with pytest.raises(Invalid):
        fetching.guarded("http://127.0.0.1:8080/x")
