"""For tests of notices and messages: the story with nothing left to tell, and the settings of a mail server."""

from __future__ import annotations

from typing import Any

from django.test import override_settings
from ensign.control.integrations import follower
from ensign.control.integrations.models import Notice

from ensign_testkit.changing import Story, story
from ensign_testkit.posting import Post


def told_story() -> Story:
    """The story, with everything that made it told."""
    made = story()
    follower.follow(at=made.at)
    Notice.objects.all().delete()
    return made


def smtp(post: Post, **more: Any) -> override_settings:
    """The settings of a mail server."""
    settings = {
        "SMTP_HOST": "127.0.0.1", "SMTP_PORT": post.port, "SMTP_TLS": "none", "SMTP_USER": "", "SMTP_PASSWORD": "",
        "SMTP_FROM": "Ensign <ensign@halyard.example>", "PUBLIC_URL": "https://ensign.halyard.example", **more,
    }  # fmt: skip
    return override_settings(**settings)
