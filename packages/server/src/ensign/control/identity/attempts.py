"""Counting failed tries, atomically in the database: every try is reserved before it is judged.

Reserving first means that a thousand tries at once are a thousand reservations, not one race. Keys are keyed hashes:
the table says nothing about who was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.crypto import salted_hmac

from ensign.control.identity import traces
from ensign.control.identity.models import Attempts
from ensign.control.kernel.errors import RateLimited
from ensign.control.kernel.transactions import require_write_door, write_door


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``tries`` per ``window``; then nothing for ``pause``. ``name`` keeps the kinds of keys apart."""

    name: str
    tries: int
    window: timedelta
    pause: timedelta


_QUARTER: Final = timedelta(minutes=15)

#: One account from one address: a person who forgot, or somebody guessing.
PAIR: Final = Limit("pair", 5, _QUARTER, _QUARTER)
#: One account from anywhere: guessing spread over many addresses. Higher, so that a stranger cannot lock people out.
ACCOUNT: Final = Limit("account", 25, _QUARTER, _QUARTER)
#: One address, whichever accounts: one password tried on everybody. A whole office may share an address.
ADDRESS: Final = Limit("address", 100, _QUARTER, _QUARTER)
#: Second factors of one account: six digits must not be guessable.
FACTOR: Final = Limit("factor", 5, _QUARTER, _QUARTER)
#: One-time links from one address.
LINK: Final = Limit("link", 30, _QUARTER, _QUARTER)

#: Emergency codes from one address.
EMERGENCY: Final = Limit("emergency", 10, _QUARTER, _QUARTER)
#: Answers of identity providers from one address that opened nothing.
PROVIDER: Final = Limit("provider", 60, _QUARTER, _QUARTER)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The keys that a try was counted under, and the names of limits that it reached."""

    keys: tuple[str, ...]
    reached: tuple[str, ...]


def key_of(limit: Limit, *parts: str) -> str:
    """The keyed hash under which tries are counted."""
    return salted_hmac(f"ensign.identity.attempts.{limit.name}", "\x00".join(parts), algorithm="sha256").hexdigest()


def reserve(tries: Iterable[tuple[Limit, tuple[str, ...]]], *, at: datetime) -> Reservation:
    """Count one try under each limit before judging it.

    :raises RateLimited: when one of them is in its pause; then nothing is counted.
    """
    wanted = sorted(((key_of(limit, *parts), limit) for limit, parts in tries), key=lambda pair: pair[0])
    with write_door():
        rows = {row.key: row for row in Attempts.objects.select_for_update().filter(key__in=[k for k, _ in wanted])}
        waits = [row.blocked_until for row in rows.values() if row.blocked_until is not None and row.blocked_until > at]
        if waits:
            raise _blocked(max(waits), at=at)
        reached = []
        for key, limit in wanted:
            row = rows.get(key)
            if row is None or at - row.since > limit.window:
                row = Attempts(key=key, count=0, since=at)
            row.count += 1
            row.blocked_until = at + limit.pause if row.count >= limit.tries else None
            if row.blocked_until is not None:
                reached.append(limit.name)
            Attempts.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=["key"], update_fields=["count", "since", "blocked_until"]
            )
    return Reservation(tuple(key for key, _ in wanted), tuple(reached))


def succeeded(reservation: Reservation, *, forget: Limit, parts: tuple[str, ...]) -> None:
    """Take the try back: it was no failure. Under ``forget`` all earlier ones are forgotten, too."""
    with write_door():
        for row in Attempts.objects.select_for_update().filter(key__in=reservation.keys).order_by("key"):
            if row.key == key_of(forget, *parts) or row.count <= 1:
                row.delete()
            else:
                row.count -= 1
                row.blocked_until = None
                row.save(update_fields=["count", "blocked_until"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A pause that somebody is in: the counter's key, the limit's name (``pair``, ``account``, ``factor``), its end."""

    key: str
    limit: str
    until: datetime


def blocks_of(people: Mapping[str, str], *, at: datetime) -> dict[str, tuple[Block, ...]]:
    """Which of ``people`` (id -> address of e-mail) are in a pause. One for a network address alone concerns nobody.

    Keys are hashes, so every key that could be theirs is worked out; a pair needs the network address, which is known
    of those tries whose trace is kept (``traces``).
    """
    stuck = dict(Attempts.objects.filter(blocked_until__gt=at).values_list("key", "blocked_until"))
    if not stuck:
        return {}
    found: dict[str, tuple[Block, ...]] = {}
    for person_id, email in people.items():
        keys = {key_of(ACCOUNT, email): ACCOUNT.name, key_of(FACTOR, person_id): FACTOR.name}
        for address in traces.addresses_of(person_id, since=at - PAIR.window - PAIR.pause):
            keys[key_of(PAIR, email, address)] = PAIR.name
        blocks = [
            Block(key=key, limit=name, until=until)
            for key, name in keys.items()
            if (until := stuck.get(key)) is not None
        ]
        if blocks:
            found[person_id] = tuple(blocks)
    return found


def lift(blocks: Iterable[Block]) -> None:
    """Forget the counters of these pauses."""
    require_write_door()
    Attempts.objects.filter(key__in=[block.key for block in blocks]).delete()


def prune(*, at: datetime) -> int:
    """Forget counters that no longer limit anything; returns how many. For the worker."""
    old = Attempts.objects.filter(since__lt=at - timedelta(days=1)).exclude(key=SUMMARY)
    return old.delete()[0]


#: The one counter without a person: refused sign-ins of the whole installation in the current minute.
SUMMARY: Final = "summary"


def _blocked(until: datetime, *, at: datetime) -> RateLimited:
    seconds = max(1, int((until - at).total_seconds()) + 1)
    minutes = -(-seconds // 60)
    return RateLimited(
        f"Too many failed tries. Wait {minutes} {'minute' if minutes == 1 else 'minutes'} and try again.",
        retry_after=seconds,
        remedy="If you forgot your password, ask an administrator for a link to set a new one.",
    )
