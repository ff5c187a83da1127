"""A real SMTP server that takes e-mails, with STARTTLS and a password if it is to, and refuses as it is told."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "ensign", "a password of the mail server"  # of this test server alone


@dataclass(kw_only=True)
class Post:
    """``got`` are the e-mails that were taken, ``refuse`` what is answered to a recipient instead of taking it."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuse: str = ""
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd calls it so
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """A recipient."""
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd calls it so
        self, _server: Any, session: Session, envelope: Envelope
    ) -> str:
        """An e-mail."""
        content = cast("bytes", envelope.content)
        self.got.append(email.message_from_bytes(content, policy=email.policy.default))
        self.recipients += [str(address) for address in envelope.rcpt_tos]
        self.encrypted.append(session.ssl is not None)
        return "250 taken"


def _free() -> int:
    """A port that nobody listens on; the controller cannot be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def posting(*, context: ssl.SSLContext | None = None, password: bool = False) -> Iterator[Post]:
    """A mail server on a free port of this machine; with ``context`` it insists on STARTTLS."""
    post = Post(port=_free())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good)

    controller = Controller(
        post, hostname="127.0.0.1", port=post.port, tls_context=context, require_starttls=context is not None,
        authenticator=authenticate, auth_required=password, auth_require_tls=context is not None,
    )  # fmt: skip
    controller.start()
    try:
        yield post
    finally:
        controller.stop()
