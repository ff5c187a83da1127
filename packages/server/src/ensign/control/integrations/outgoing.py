"""One try of one message to an integration: its form, its signature, and the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ensign.control.integrations import sealed
from ensign.control.integrations.domain import messages as forms
from ensign.control.integrations.domain import signing
from ensign.control.integrations.domain.messages import Message
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.happenings import Happening, messages, public
from ensign.control.integrations.models import Delivery
from ensign.control.integrations.registry import View
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import EnsignError, Invalid

TIMEOUT: Final = 15.0
"""Seconds that a receiver has for the whole exchange."""
LIMIT: Final = 64 * 1024
"""Bytes of an answer that are read; what it says is not kept."""


def test_message(target: View, *, at: datetime) -> Message:
    """A message that only tries whether messages arrive."""
    return Message(
        seq=None,
        action=forms.TEST,
        at=at,
        topic=Topic.INTEGRATION,
        urgency="info",
        sentence=f"This is a test of “{target.name}”: messages of Ensign arrive here.",
        url=public("/"),
        project=target.project or "",
    )


def body_of(row: Delivery, target: View, *, at: datetime) -> bytes:
    """The body of a message in the form of its integration, from what is so now."""
    kept = json.loads(row.facts)
    if kept.get("action") == forms.TEST:
        message = test_message(target, at=at)
    else:
        message = messages([Happening.from_json(row.facts)])[0]
    shape = {"webhook": forms.webhook, "slack": forms.slack, "teams": forms.teams}[target.kind]
    return json.dumps(shape(message), ensure_ascii=False, separators=(",", ":")).encode()


def prepared(row: Delivery, target: View, *, at: datetime) -> Callable[[], tuple[int | None, str]]:
    """What sends the message when it is called, in a thread that has no database: (status, problem)."""
    try:
        url = sealed.reveal(target.id, "url")
        body = body_of(row, target, at=at)
        headers = {"Content-Type": "application/json"}
        if target.kind == "webhook":
            headers |= signing.headers(secrets_of(target, at=at), id=row.pk, at=at, body=body)
    except EnsignError as error:
        said = error.message
        return lambda: (None, said)
    return lambda: exchange(url, body, headers)


def secrets_of(target: View, *, at: datetime) -> list[str]:
    """The secrets that sign at ``at``: the present one, and while it is new the one before."""
    found = [sealed.reveal(target.id, "secret")]
    recent = target.rotated_at is not None and at < target.rotated_at + signing.OVERLAP
    if recent and sealed.has(target.id, "previous"):
        found.append(sealed.reveal(target.id, "previous"))
    return found


def exchange(url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str]:
    """Post it through the guard. Redirects are not followed; of an answer only its status counts."""
    try:
        target = fetching.guarded(url)
    except Invalid as error:
        return None, error.message
    try:
        answer = fetching.fetch(
            target, method="POST", body=body, headers=headers, timeout=TIMEOUT, limit=LIMIT, cut=True
        )
    except OSError as error:
        return None, _said(error)
    if 200 <= answer.status < 300:
        return answer.status, ""
    if 300 <= answer.status < 400:
        return answer.status, f"answered {answer.status}: redirects are not followed"
    return answer.status, f"answered {answer.status}"


def _said(error: OSError) -> str:
    """What went wrong, without anything that the other side wrote."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    name = type(error).__name__
    if "SSL" in name or "Certificate" in name:
        return "its certificate is not trusted, or TLS failed"
    return f"cannot be reached: {name}"
