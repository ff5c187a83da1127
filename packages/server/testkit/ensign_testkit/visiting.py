"""Somebody at a real server without a browser: cookies, the CSRF token, forms, and the API in their session."""

from __future__ import annotations

import http.client
import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from ensign_testkit.browsing import Codes
from ensign_testkit.server import Answer, Server


class Visitor:
    """One person's session. The server may be exchanged for another one on the same database."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._cookies: dict[str, str] = {}

    def _send(self, method: str, path: str, body: Any, kind: str | None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if "csrftoken" in self._cookies:
            headers["X-CSRFToken"] = self._cookies["csrftoken"]
        if kind is not None:
            headers["Content-Type"] = kind
        answer = self.server.request(method, path, body, headers=headers)
        self._keep(answer.headers)
        return answer

    def _keep(self, headers: http.client.HTTPMessage) -> None:
        for line in headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value

    def get(self, path: str) -> Answer:
        """A GET."""
        return self._send("GET", path, None, None)

    def form(self, path: str, **fields: str) -> Answer:
        """Open the page, then send its form. A form that was taken answers 303."""
        assert self.get(path).status == 200, path
        return self._send("POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Call the API in this session; fails with the problem when the answer is another one."""
        answer = self._send(method, f"/api/v1{path}", body, "application/json" if body is not None else None)
        assert answer.status == status, (method, path, answer.status, answer.body.decode())
        return answer.json()

    def sign_in(self, email: str, password: str) -> Answer:
        """Through the form, with a password."""
        return self.form("/login", email=email, password=password)

    def enrol(self, password: str) -> Codes:
        """Enrol an authenticator app; the session has then proved a second factor."""
        page = self.get("/account/security/authenticator").body.decode()
        found = re.search(r"secret=([A-Z2-7]+)", page) or re.search(r"\b([A-Z2-7]{32})\b", page)
        assert found is not None, page
        codes = Codes(found[1])
        answer = self.form("/account/security/authenticator", code=codes.next(), password=password)
        assert answer.status == 303, answer.body.decode()
        return codes
