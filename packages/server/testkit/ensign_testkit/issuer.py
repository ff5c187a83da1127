"""An OpenID issuer over HTTP with real keys, for CI identities: it signs what it is asked to, right or wrong."""

from __future__ import annotations

import base64
import functools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@functools.cache
def _keys() -> tuple[tuple[str, tuple[str, Private]], ...]:
    """Made once in a process: an RSA key takes its time."""
    return (
        ("rsa-1", ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))),
        ("ec-1", ("ES256", ec.generate_private_key(ec.SECP256R1()))),
        ("ed-1", ("EdDSA", ed25519.Ed25519PrivateKey.generate())),
    )


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """``url`` is its issuer identifier; ``answers`` may be changed: path -> (status, body, headers)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, tuple[str, Private]] = dict(_keys())
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.asked: list[str] = []
        self.drip = 0.0
        """Seconds between two bytes of an answer."""
        self.publish()

    def publish(self) -> None:
        """Discovery and key set, as they should be."""
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        self.answer("/.well-known/openid-configuration", discovery)
        self.answer("/jwks", {"keys": [self.jwk(kid) for kid in self.keys]})

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """What to answer at a path."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, data, headers)

    def jwk(self, kid: str) -> dict[str, Any]:
        """A public key as the key set has it."""
        algorithm, key = self.keys[kid]
        public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        return {**public, "kid": kid, "alg": algorithm, "use": "sig"}

    def pem(self, kid: str) -> bytes:
        """A public key's PEM: what a confused verifier would take for a shared secret."""
        _, key = self.keys[kid]
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def claims(self, **more: Any) -> dict[str, Any]:
        """Claims as GitHub makes them, for the main branch of acme/shop; None leaves one out."""
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": "https://ensign.example.com",
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "repository": "acme/shop",
            "repository_id": "74",
            "repository_owner": "acme",
            "ref": "refs/heads/main",
            "actor": "octocat",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            **more,
        }
        return {name: value for name, value in said.items() if value is not None}

    def token(self, kid: str = "rsa-1", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token signed with the key ``kid``."""
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm=algorithm, headers={"kid": kid, **(header or {})})


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        self.issuer.asked.append(self.path)
        status, body, headers = self.issuer.answers.get(self.path, (404, b"{}", {}))
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if not self.issuer.drip:
                self.wfile.write(body)
            for byte in body if self.issuer.drip else b"":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(self.issuer.drip)
        except OSError:
            pass  # whoever asked has hung up

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def issuing(path: str = "") -> Iterator[Issuer]:
    """An issuer at 127.0.0.1, with ``path`` in its identifier."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.issuer = issuer = Issuer(f"http://127.0.0.1:{server.server_port}{path}")  # type: ignore[attr-defined]  # just made
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
