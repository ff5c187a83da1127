"""An OpenID provider that a test makes lie: it answers with whatever the test hands it, signed or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "ensign"


class HostileProvider:
    """A running provider. Everything that it says can be replaced.

    ``token`` is the next ID token; ``config`` is laid over its discovery document; ``delay`` (seconds) comes before
    each answer, ``drip`` sends it byte by byte. ``asked`` counts requests by path, ``codes`` holds what it was given.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "one"
        self.token = ""
        self.access = "an access token"
        self.config: dict[str, Any] = {}
        self.info: dict[str, Any] | None = None
        self.published: list[dict[str, Any]] = [self.public(self.key, self.kid)]
        self.delay = 0.0
        self.drip = False
        self.asked: dict[str, int] = {}
        self.codes: list[dict[str, list[str]]] = []

    @staticmethod
    def public(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
        """A key as it is published."""
        made: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        return {**made, "kid": kid, "use": "sig", "alg": "RS256"}

    def claims(self, **more: Any) -> dict[str, Any]:
        """An ID token's claims about Anna, with ``more`` laid over them; None leaves one out."""
        now = int(time.time())
        given = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "00u1anna",
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "email": "anna.berg@example.com",
            "email_verified": True,
            "name": "Anna Berg",
            **more,
        }
        return {name: value for name, value in given.items() if value is not None}

    def signed(self, claims: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> str:
        """The claims, signed by the provider's key."""
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": self.kid, **(header or {})})

    def unsigned(self, claims: Mapping[str, Any]) -> str:
        """The claims under ``alg: none``."""
        return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': self.kid})}.{_part(claims)}."

    def confused(self, claims: Mapping[str, Any], secret: bytes) -> str:
        """The claims under HS256, with something as secret that both sides know."""
        text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': self.kid})}.{_part(claims)}"
        return f"{text}.{_base64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def answer(self, path: str, form: Mapping[str, list[str]]) -> tuple[int, Any]:
        """(status, document)."""
        self.asked[path] = self.asked.get(path, 0) + 1
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.config,
            }
        if path == "/jwks":
            return 200, {"keys": self.published}
        if path == "/userinfo":
            return (200, self.info) if self.info is not None else (404, {})
        if path == "/token":
            self.codes.append(dict(form))
            return 200, {"access_token": self.access, "token_type": "Bearer", "id_token": self.token}
        return 404, {}


def _part(document: Mapping[str, Any]) -> str:
    return _base64(json.dumps(document).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@contextmanager
def hostile_provider() -> Iterator[HostileProvider]:
    """A provider on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer(parse_qs(body))

        def _answer(self, form: Mapping[str, list[str]]) -> None:
            status, document = provider.answer(urlsplit(self.path).path, form)
            content = json.dumps(document).encode()
            ended.wait(provider.delay)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not provider.drip:
                self.wfile.write(content)
                return
            for number in range(len(content)):
                if ended.wait(0.3):
                    return
                self.wfile.write(content[number : number + 1])

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

    ended = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = HostileProvider(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
