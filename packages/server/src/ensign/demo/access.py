"""What becomes of access over the year: the first person's exception, renewed by two others, and roles on request."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from ensign.control.access import exceptions, request_queries, requests
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.duties import PAIRS
from ensign.demo import cast
from ensign.demo.company import Company
from ensign.demo.story import Calendar

THIRD = "marit.holm"
CONTROL = (
    "Every Monday the compliance manager reads what Ingrid approved and which roles she gave, and signs the list;"
    " Ingrid approves nothing of people to whom she gave a role that week."
)
LEFT = timedelta(days=10)
"""How long the last exception still holds when the year is over: the page of findings says so."""


def plan(company: Company, calendar: Calendar) -> None:
    """Put the acts into the calendar."""
    days = (calendar.end - calendar.begin).days
    last = calendar.end + LEFT
    first_end = calendar.begin + timedelta(days=days - 110)
    calendar.on_day(45, partial(_review, company))
    calendar.on_day(84, partial(_except, company, first_end))
    calendar.on_day(days - 115, partial(_except, company, last))
    calendar.on_day(120, partial(_on_duty, company, calendar))
    calendar.put(calendar.end - timedelta(minutes=35), partial(_asks, company))


def _review(company: Company, at: datetime) -> None:
    """Ingrid alone made the second administrator, as there was nobody else; the third says that it is right."""
    alone = [one for one in request_queries.requests(status="granted") if one.sole and one.reviewed_by is None]
    for one in alone:
        actor = company.actor(THIRD, at=at)
        requests.review(actor=actor, at=at, request_id=one.id, reason="Tomáš runs the platform; agreed in the board.")


def _except(company: Company, until: datetime, at: datetime) -> None:
    """Ingrid still reviews besides administering: the second administrator proposes it, the third approves."""
    made = exceptions.propose(
        actor=company.actor(cast.SECOND, at=at),
        at=at,
        subject=company.ids[cast.FIRST.key],
        pairs=sorted(PAIRS),
        scope=ORGANISATION,
        reason="Ingrid still helps out as a reviewer until payouts has hired.",
        control=CONTROL,
        expires_at=min(until, at + timedelta(days=179)),
    )
    later = at + timedelta(minutes=25)
    exceptions.approve(actor=company.actor(THIRD, at=later), at=later, exception_id=made.id, reason="Until the hire.")


def _on_duty(company: Company, calendar: Calendar, at: datetime) -> None:
    """Somebody needs a role for a day, and gets it."""
    asked = requests.ask(
        actor=company.actor("jonas.lindqvist", at=at),
        at=at,
        role="developer",
        scope=Scope("payouts"),
        lasts=timedelta(days=1),
        reason="Helps with the settlement incident today.",
    )
    later = at + timedelta(minutes=9)
    requests.approve(actor=company.actor(cast.SECOND, at=later), at=later, request_id=asked.id, reason="Thanks.")
    calendar.put(later + timedelta(days=1, minutes=1), _ran_out)


def _ran_out(at: datetime) -> None:
    requests.tick(at=at)


def _asks(company: Company, at: datetime) -> None:
    """One request waits when the year is over."""
    requests.ask(
        actor=company.actor("noor.haddad", at=at),
        at=at,
        role="approver",
        scope=Scope("payouts", "production"),
        lasts=timedelta(hours=8),
        reason="Sofia is away; the same-day batch is released tonight.",
    )
