"""Where acts of signing in come from: network address and browser, kept beside the log for a limited time.

An entry stands for ever and holds no personal data; a trace of it is erased after ``Rules.trace_days``, or with the
person. The request's address and browser travel in a context variable, as the request's id does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from ensign.control.audit.ledger import Recorded
from ensign.control.identity.sign_in_models import Trace
from ensign.control.identity.web import network_address
from ensign.control.kernel.transactions import require_write_door

AGENT_MAX = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    address: str
    agent: str


_current: ContextVar[Origin | None] = ContextVar("ensign_origin", default=None)


@contextmanager
def of(request: HttpRequest) -> Iterator[None]:
    """Let :func:`keep` know where the request came from within the block."""
    agent = "".join(c for c in request.META.get("HTTP_USER_AGENT", "")[:AGENT_MAX] if c.isprintable())
    token = _current.set(Origin(network_address(request), agent))
    try:
        yield
    finally:
        _current.reset(token)


def keep(recorded: Recorded, *, person_id: str | None) -> None:
    """Keep where an entry came from, in the entry's transaction. Outside a request there is nothing to keep."""
    require_write_door()
    origin = _current.get()
    if origin is not None:
        Trace.objects.create(
            seq=recorded.seq, at=recorded.ts, person_id=person_id, address=origin.address, agent=origin.agent
        )


def of_entries(seqs: Iterable[int]) -> dict[int, Origin]:
    """Entry -> where it came from, of those that are still kept."""
    rows = Trace.objects.filter(pk__in=list(seqs)).values_list("seq", "address", "agent")
    return {seq: Origin(address, agent) for seq, address, agent in rows}


def addresses_of(person_id: str, *, since: datetime) -> frozenset[str]:
    """Where tries concerning a person came from lately."""
    rows = Trace.objects.filter(person_id=person_id, at__gte=since)
    return frozenset(rows.values_list("address", flat=True))


def forget(*, before: datetime) -> int:
    """Erase what is older; returns how many. For the worker."""
    return int(Trace.objects.filter(at__lt=before).delete()[0])


def forget_person(person_id: str) -> int:
    """Erase all of one person; returns how many. For the erasure of personal data."""
    require_write_door()
    return int(Trace.objects.filter(person_id=person_id).delete()[0])
