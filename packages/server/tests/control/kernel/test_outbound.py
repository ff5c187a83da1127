"""Claims: an outgoing URL never reaches a private address, however it is spelled, unless the operator allows it."""

from __future__ import annotations

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ensign.control.kernel import outbound
from ensign.control.kernel.errors import Invalid

FORBIDDEN = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "192.0.0.8", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2001::1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN)
def test_addresses_that_are_not_public_are_refused(text: str) -> None:
    assert not outbound.allowed(ipaddress.ip_address(text), [])


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_are_allowed(text: str) -> None:
    assert outbound.allowed(ipaddress.ip_address(text), [])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "http://", "//example.com", "http://user:secret@1.1.1.1/",
        "http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/",
        "http://127.0.0.1.nonexistent.invalid/", "http://1.1.1.1:99999/",
    ],
)  # fmt: skip
def test_urls_that_lead_inside_or_nowhere_are_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        outbound.check(url)
    assert refused.value.remedy


def test_the_operator_can_allow_a_network() -> None:
    target = outbound.check("http://127.0.0.1:8080/hook?a=1", allow=outbound.networks("127.0.0.0/8, ::1/128"))
    assert (target.address, target.port, target.path) == ("127.0.0.1", 8080, "/hook?a=1")


class _Redirecting(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, bytes]] = []  # one server, one test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Host"], body))
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def test_a_redirect_is_not_followed() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Redirecting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://localhost:{server.server_port}/hook"
        target = outbound.check(url, allow=outbound.networks("127.0.0.0/8,::1/128"))
        target = outbound.Target(target.url, target.scheme, target.host, target.port, target.path, "127.0.0.1")
        assert outbound.post(target, b"note", headers={}) == 302
        assert _Redirecting.seen == [("/hook", f"localhost:{server.server_port}", b"note")]
    finally:
        server.shutdown()
        server.server_close()
