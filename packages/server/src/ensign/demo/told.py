"""Where the demo's people work: a ticket system, and what each of them was told of the year."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import F

from ensign.control.integrations import follower, operations, retention
from ensign.control.integrations.models import Notice
from ensign.control.integrations.operations import Wish
from ensign.demo import cast
from ensign.demo.company import Company

UNREAD: Final = timedelta(days=2)
"""What is older than this has been read."""
BASE: Final = "https://halyard.atlassian.net"


def fill(company: Company, *, now: datetime) -> None:
    """Connect the tickets that requests name, tell what happened, and let people have read the older part of it."""
    jira = Wish(name="Jira", base_url=BASE)
    operations.make(actor=company.actor(cast.FIRST.key, at=now), at=now, kind="jira", project=None, wish=jira)
    follower.follow(at=now)
    retention.forget(at=now)
    Notice.objects.filter(at__lt=now - UNREAD).update(read_at=F("at"))


def ticket(project: str, number: int) -> str:
    """The key of a ticket of a project: ``CHE-112``."""
    return f"{project[:3].upper()}-{number}"
