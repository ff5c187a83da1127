"""A real OpenID provider for tests: npm's certified `oidc-provider`, and somebody who signs in at it."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from ensign_testkit.contracts import ROOT
from ensign_testkit.installing_clients import npm

SOURCE = ROOT / "packages" / "server" / "tests" / "control" / "identity" / "sso" / "op"
CLIENT_ID, CLIENT_SECRET = "ensign", "a secret of the tests, forty characters long"

ANNA: Mapping[str, Any] = {
    "email": "anna.berg@example.com",
    "email_verified": True,
    "name": "Anna Berg",
    "groups": ["eng-payments"],
}


class OpenIdProvider:
    """A running provider. ``issuer`` is its address."""

    def __init__(self, process: subprocess.Popen[str], issuer: str) -> None:
        self.process = process
        self.issuer = issuer

    def tell(self, login: str, claims: Mapping[str, Any]) -> None:
        """What it says of somebody from now on."""
        body = urlencode({"login": login, "claims": json.dumps(claims)})
        answer = send(self.issuer, "PUT", f"{self.issuer}/people", body=body)
        assert answer.status == 200


@contextmanager
def openid_provider(
    people: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    redirects: Sequence[str] = ("http://localhost:8000/sso/op/callback",),
    logout: str = "",
    thin: bool = False,
    **client: Any,
) -> Iterator[OpenIdProvider]:
    """A provider that knows ``people`` by login, and one client that is sent back to ``redirects``.

    ``logout``: where it announces that somebody signed out; ``thin``: ID tokens hold the subject alone.
    """
    registered: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": list(redirects),
        "post_logout_redirect_uris": [],
        "backchannel_logout_session_required": True,
        **({"backchannel_logout_uri": logout} if logout else {}),
        **client,
    }
    given = {"clients": [registered], "people": people or {"anna": ANNA}, "thin": thin}
    folder = npm("oidc-provider", SOURCE)
    command = ["node", str(SOURCE / "op.mjs"), str(folder), json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            assert process.stderr is not None
            raise AssertionError(f"the provider did not start:\n{process.stderr.read()}")
        yield OpenIdProvider(process, json.loads(line)["issuer"])
    finally:
        process.kill()
        process.communicate()


class Answer:
    """A response, read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.location = response.headers.get("Location", "")
        self.cookies = response.headers.get_all("Set-Cookie") or []
        self.text = response.read().decode()


def send(base: str, method: str, url: str, *, body: str | None = None, cookies: str = "") -> Answer:
    """One request to the provider at ``base``, following nothing."""
    parts = urlsplit(urljoin(base, url))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    headers = {"Cookie": cookies} if cookies else {}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Browser:
    """Somebody's cookies at the provider."""

    def __init__(self, provider: OpenIdProvider) -> None:
        self.provider = provider
        self._cookies: dict[str, str] = {}

    def _send(self, method: str, url: str, body: str | None = None) -> Answer:
        pairs = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = send(self.provider.issuer, method, url, body=body, cookies=pairs)
        for line in answer.cookies:
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        return answer

    def follow(self, url: str, *, login: str = "anna") -> str:
        """Go where Ensign sent the browser, signing in as ``login`` if asked; the address back at Ensign."""
        for _ in range(12):
            if not urljoin(self.provider.issuer, url).startswith(self.provider.issuer):
                return url
            answer = self._send("GET", url)
            if answer.status == 200:
                found = re.search(r'action="(/who/[\w-]+)"', answer.text)
                assert found is not None, answer.text
                answer = self._send("POST", found[1], urlencode({"login": login}))
            assert answer.status in {302, 303}, answer.text
            url = answer.location
        raise AssertionError("redirected too often")

    def sign_out(self) -> None:
        """Sign out at the provider, which tells its clients."""
        page = self._send("GET", "/session/end").text
        token = re.search(r'name="xsrf" value="([^"]+)"', page)
        assert token is not None, page
        answer = self._send("POST", "/session/end/confirm", urlencode({"xsrf": token[1], "logout": "yes"}))
        assert answer.status in {302, 303}, answer.text
