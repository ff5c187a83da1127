"""One happening in the forms in which it leaves: JSON of a webhook, blocks for Slack, a card for Teams, lines of mail.

Pure. Text of others is escaped for each form. No message holds a difference, a comment or a rule: whoever wants to
see more follows the link and signs in.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ensign.control.integrations.domain.table import Topic, Urgency
from ensign.control.kernel import clock

#: The edition of what webhooks get. A member may be added within one; nothing is renamed or removed.
EDITION: Final = 1
TEST: Final = "test"
"""The action of a message that only tries whether messages arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What happened, ready to be told. ``sentence`` says it in words with the doer's name; ``url`` is where to look.

    ``actor`` (kind, id, via) and ``facts`` are for machines: ids and keys, no names.
    """

    seq: int | None
    action: str
    at: datetime
    topic: Topic
    urgency: Urgency
    sentence: str
    url: str
    project: str = ""
    environment: str = ""
    title: str = ""
    actor: Mapping[str, str] = field(default_factory=dict)
    objects: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    over: str = ""
    """How the request that it is about has ended since (``applied``, …); empty while it is open."""


def webhook(message: Message) -> dict[str, Any]:
    """The body of a Standard Webhook (docs/reference/webhooks.md)."""
    return {
        "type": message.action,
        "timestamp": clock.text(message.at),
        "data": {
            "edition": EDITION,
            "entry": message.seq,
            "topic": str(message.topic),
            "urgency": message.urgency,
            "project": message.project or None,
            "environment": message.environment or None,
            "actor": dict(message.actor),
            "title": message.title or None,
            "url": message.url,
            "objects": list(message.objects),
            "facts": dict(message.facts),
        },
    }


_MARKS: Final[Mapping[str, str]] = {"urgent": "🔴 ", "needs": "🟠 ", "info": ""}


def _button(message: Message) -> str:
    return "Look at it in Ensign" if message.urgency == "info" else "Open it in Ensign"


def _place(message: Message) -> str:
    return " / ".join(part for part in (message.project, message.environment) if part)


def slack(message: Message) -> dict[str, Any]:
    """Block Kit. Buttons only link: a decision is made in Ensign, by somebody who is signed in there."""
    said = _slack_text(message.sentence)
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"{_MARKS[message.urgency]}{said}"[:2900]}}
    ]
    place = _place(message)
    if place:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _slack_text(place)}]})
    button = {"type": "button", "text": {"type": "plain_text", "text": _button(message)}, "url": message.url}
    blocks.append({"type": "actions", "elements": [button]})
    return {"text": said[:2900], "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _slack_text(text: str) -> str:
    """Slack's three control characters (its documentation, "Formatting text"), and no mark-up of somebody's title."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\u200b{mark}" if mark in "*_~`" else mark for mark in plain)


def teams(message: Message) -> dict[str, Any]:
    """An Adaptive Card in the envelope that Teams' workflows take."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": f"{_MARKS[message.urgency]}{_card_text(message.sentence)}",
            "wrap": True,
            "weight": "Default" if message.urgency == "info" else "Bolder",
        }
    ]
    place = _place(message)
    if place:
        body.append({"type": "TextBlock", "text": _card_text(place), "isSubtle": True, "spacing": "None"})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": _button(message), "url": message.url}],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _card_text(text: str) -> str:
    """Cards read a subset of Markdown."""
    return "".join(f"\\{mark}" if mark in "\\*_[]()#`~<>|" else mark for mark in text.replace("\n", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An e-mail: subject, plain text, HTML."""

    subject: str
    text: str
    html: str


def mail(messages: Sequence[Message], *, settings_url: str, why: str = "") -> Mail:
    """One e-mail about one or several happenings, oldest first."""
    first = messages[-1]
    urgent = any(message.urgency == "urgent" for message in messages)
    subject = first.sentence if len(messages) == 1 else f"{len(messages)} things in Ensign"
    subject = " ".join(f"{'Urgent: ' if urgent else ''}{subject}".split())
    subject = subject if len(subject) <= 150 else subject[:149] + "…"
    foot = f"You get this by e-mail because {why or 'you are to know of it'}. Choose what you get: {settings_url}"
    lines = [f"{message.sentence}\n{_place(message) or 'Ensign'}\n{message.url}" for message in messages]
    text = "\n\n".join([*lines, "-- ", foot]) + "\n"
    items = "".join(_html_item(message) for message in messages)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>' + html.escape(subject) + "</title></head>"
        f"<body><div>{items}<p><small>{html.escape(foot.partition(' Choose')[0])}"
        f' <a href="{html.escape(settings_url)}">Choose what you get</a></small></p></div></body></html>'
    )
    return Mail(subject=subject, text=text, html=page)


def _html_item(message: Message) -> str:
    place = html.escape(_place(message) or "Ensign")
    return (
        f"<p>{html.escape(message.sentence)}<br><small>{place}</small><br>"
        f'<a href="{html.escape(message.url)}">{_button(message)}</a></p>'
    )
