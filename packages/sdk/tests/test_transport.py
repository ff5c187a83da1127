"""Claims about what lies between client and server: TLS is checked, proxies are used, connections are kept."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RULES = json.dumps({"version": 2, "features": [{"name": "menu", "enabled": True, "strategies": []}]}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections: set[object]

    def do_GET(self) -> None:
        self.server.connections.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", str(len(RULES)))
        self.end_headers()
        self.wfile.write(RULES)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[ThreadingHTTPServer]:
    """A server behind TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.connections = set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_trusted_certificate_is_accepted_and_what_is_sent_is_shown(
    secure, certificate, connect, until, monkeypatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    sent: list[bytes] = []
    client = connect(f"https://127.0.0.1:{secure.server_address[1]}", what_is_sent=sent.append, metrics_interval=0)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")
    until(lambda: b"".join(sent).count(b"GET /api/client/features HTTP/1.1") > 3)
    assert len(secure.connections) == 1, "one connection is kept for all polls"
    assert b"sdk-secret" not in b"".join(sent)


def test_a_certificate_that_nobody_trusts_is_refused_before_the_token_is_sent(secure, connect, until) -> None:
    client = connect(f"https://127.0.0.1:{secure.server_address[1]}")
    until(lambda: "CERTIFICATE_VERIFY_FAILED" in (client.status().error or ""))
    assert not client.ready
    assert secure.connections == set()


def test_a_proxy_of_the_environment_is_used_and_exceptions_are_honoured(hostile, connect, monkeypatch) -> None:
    from ensign_testkit.adversary import adversary, rules

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with adversary(rules("through")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        client = connect("http://flags.invalid:4242", metrics_interval=0)
        assert client.wait_until_ready(10)
        assert client.is_enabled("through")
        assert proxy.seen[0].path == "http://flags.invalid:4242/api/client/features"
        assert proxy.seen[0].headers["host"] == "flags.invalid:4242"
        hostile.behaviour = rules("direct")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        direct = connect(hostile.url)
        assert direct.wait_until_ready(10)
        assert direct.is_enabled("direct")


def test_https_goes_through_a_proxy_as_a_tunnel(connect, monkeypatch, until) -> None:
    from ensign_testkit.adversary import adversary, reply

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with adversary(reply(502)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://user:pass%21@"))
        client = connect("https://flags.invalid", metrics_interval=0)
        until(lambda: client.status().error)
        assert proxy.seen[0].method == "CONNECT"
        assert proxy.seen[0].path.startswith("flags.invalid:443")
        assert proxy.seen[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNzIQ=="
        assert "authorization" not in proxy.seen[0].headers, "the token is for the server alone"
