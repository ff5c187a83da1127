"""What identity forgets by the clock. Nobody's act, no governed state, hence no entry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Q

from ensign.control.identity.models import Link, TokenUse
from ensign.control.kernel.transactions import write_door

#: How long it is remembered that a link was made and how it ended; the entries stay.
KEEP_LINKS: Final = timedelta(days=90)
#: How long it is remembered when a token was last used: a year and a month, for a yearly review.
KEEP_USES: Final = timedelta(days=400)


def forget_links(*, at: datetime) -> int:
    """Delete links that ended or expired long ago; returns how many."""
    before = at - KEEP_LINKS
    with write_door():
        return Link.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before)).delete()[0]


def forget_uses(*, at: datetime) -> int:
    """Delete when tokens were last used, where that is long ago; returns how many."""
    with write_door():
        return TokenUse.objects.filter(last_used_at__lt=at - KEEP_USES).delete()[0]


def forget_sessions(*, at: datetime) -> int:
    """Delete where people were signed in once their session has ended: the address and browser go with it."""
    with write_door():
        alive = Session.objects.filter(expire_date__gt=at).values("session_key")
        return int(UserSession.objects.exclude(session_key__in=alive).delete()[0])
