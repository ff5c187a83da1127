"""The API of signing in: its rules, sessions, who is held up, and the history.

What changes something needs a session, as no token confers it (``permissions.NEVER_BY_TOKEN``).
"""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from ensign.control.access import logins, providers, sign_in_rules, signed_in
from ensign.control.access.schemas import ReasonIn
from ensign.control.access.sign_in_rules import Present
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.identity import queries as identity
from ensign.control.identity import sign_in
from ensign.control.identity.domain import SessionView
from ensign.control.identity.rules import Rules
from ensign.control.identity.sessions import WAY
from ensign.control.identity.web import caller, network_address
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid

router = Router(tags=["signing in"])

_Outcome = Literal["signed-in", "refused", "blocked", "unblocked", "proved", "ended"]


class RulesIn(Input):
    """Rules to decide on; what is left out is as by default. ``listed`` are ids of people, networks CIDRs."""

    local: Literal["everybody", "listed", "nobody"] = "everybody"
    listed: list[str] = Field(default_factory=list)
    factor: Literal["nobody", "powerful", "everybody"] = "nobody"
    passkeys: bool = False
    grace_days: int = 7
    idle_minutes: int = 60
    session_hours: int = 12
    step_up_minutes: int = 30
    networks: list[str] = Field(default_factory=list)
    service_networks: list[str] = Field(default_factory=list)
    personal_token_days: int = 365
    service_token_days: int = 365
    trace_days: int = 400
    reason: str = Field(default="", max_length=1000)

    def to_rules(self) -> Rules:
        """As the operation takes them."""
        given: dict[str, Any] = self.dict(exclude={"reason"})
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return Rules(**{**given, **lists})


class RulesOut(Schema):
    """Rules in force. ``version`` 0: the defaults, nobody has decided. ``demanded_at``: the time to enrol runs from."""

    local: str
    listed: list[str]
    factor: str
    passkeys: bool
    grace_days: int
    demanded_at: datetime | None
    idle_minutes: int
    session_hours: int
    step_up_minutes: int
    networks: list[str]
    service_networks: list[str]
    personal_token_days: int
    service_token_days: int
    trace_days: int
    version: int
    entry: int | None

    @staticmethod
    def of(now: Present) -> RulesOut:
        """From their value."""
        given = {field.name: getattr(now.rules, field.name) for field in fields(now.rules)}
        return RulesOut(**given, version=now.version, entry=now.ledger_seq)


class DifferenceOut(Schema):
    """One rule that was changed, in plain words."""

    member: str
    title: str
    before: str
    after: str


class DecidedOut(Schema):
    """One decision on the rules. ``until`` null: in force."""

    entry: int
    at: datetime
    until: datetime | None
    by: str
    by_name: str
    reason: str
    reset: bool
    differences: list[DifferenceOut]


class SessionOut(Schema):
    """Where somebody is signed in. ``way``: how they signed in."""

    id: int
    address: str
    agent: str
    way: str
    started_at: datetime
    seen_at: datetime
    current: bool

    @staticmethod
    def of(session: SessionView) -> SessionOut:
        """From its value."""
        return SessionOut(**asdict(session))


class LoginOut(Schema):
    """One event of the history. ``person`` empty: nobody known. ``address`` and ``agent`` empty: not kept any more.

    ``provider``: the identity provider's name, if it concerns one; ``why``: the rule by which it was refused.
    """

    entry: int
    at: datetime
    outcome: str
    action: str
    title: str
    person: str
    name: str
    way: str
    count: int
    address: str
    agent: str
    by: str
    provider: str
    why: str


class EndEverybodyIn(Input):
    """What else ends besides everybody else's sessions."""

    own: bool = False
    tokens: bool = False
    reason: str = Field(default="", max_length=1000)


class EndedOut(Schema):
    """How much ended."""

    sessions: int
    tokens: int = 0


class BlockedOut(Schema):
    """Somebody who has to wait after wrong tries. ``limits``: ``pair``, ``account``, ``factor``."""

    person: str
    name: str
    until: datetime
    limits: list[str]


@router.get("/sign-in-rules", response=RulesOut)
def get_rules(request: HttpRequest, response: HttpResponse) -> RulesOut:
    """The rules in force."""
    actor, at = caller(request)
    providers.require_reading(actor, at=at)
    now = sign_in_rules.present()
    etag.give(response, version=now.version)
    return RulesOut.of(now)


@router.put("/sign-in-rules", response=RulesOut)
def decide_rules(request: HttpRequest, body: RulesIn) -> RulesOut:
    """Decide on other rules; they count at once. Needs a session."""
    actor, at = caller(request)
    changed = sign_in_rules.change(
        actor=actor,
        at=at,
        wanted=body.to_rules(),
        address=network_address(request),
        way=str(request.session.get(WAY, "")),
        version=etag.expected(request),
        reason=body.reason,
    )
    return RulesOut.of(changed)


@router.get("/sign-in-rules/history", response=Page[DecidedOut])
def rules_history(request: HttpRequest) -> Page[DecidedOut]:
    """Every decision on the rules, newest first: what, from, to, by whom."""
    actor, at = caller(request)
    providers.require_reading(actor, at=at)
    items = [DecidedOut(entry=one.seq, **_without_seq(asdict(one))) for one in sign_in_rules.timeline()]
    return Page[DecidedOut](items=items)


@router.get("/sign-ins", response=Page[LoginOut])
def list_sign_ins(
    request: HttpRequest,
    person: Annotated[str, Query(description="Only of this person, by id; one's own need no permission.")] = "",
    outcome: _Outcome | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LoginOut]:
    """The history of signing in, newest first, however long ago."""
    actor, at = caller(request)
    filters = logins.Filters(
        person=person, outcome=outcome or "", since=_utc(since, "since"), until=_utc(until, "until")
    )
    position = decode(cursor)
    before = None if position is None else int(position[0])
    found = logins.logins(actor, filters, at=at, before=before, limit=limit)
    items = [LoginOut(entry=one.seq, **_without_seq(asdict(one))) for one in found.items]
    return Page[LoginOut](items=items, next_cursor=None if found.next_before is None else encode(found.next_before))


def _without_seq(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name != "seq"}


def _utc(value: datetime | None, field: str) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise Invalid("The time needs a zone.", fields={field: "Write it with a zone, such as …Z."})
    return None if value is None else value.astimezone(UTC)


@router.get("/sessions", response=Page[SessionOut])
def list_own_sessions(request: HttpRequest) -> Page[SessionOut]:
    """Where one is signed in oneself. Needs a session."""
    actor, _ = caller(request)
    _in_session(actor)
    rows = identity.sessions_of(actor.id, current=request.session.session_key)
    return Page[SessionOut](items=[SessionOut.of(row) for row in rows])


@router.post("/sessions/{int:session_id}/end", response=EndedOut)
def end_own_session(request: HttpRequest, session_id: int) -> EndedOut:
    """End one of one's own sessions. Needs a session."""
    actor, at = caller(request)
    _in_session(actor)
    known = {row.id for row in identity.sessions_of(actor.id, current=None)}
    sign_in.end_session(actor=actor, session_id=session_id, at=at)
    return EndedOut(sessions=1 if session_id in known else 0)


def _in_session(actor: Actor) -> None:
    if not actor.interactive:
        raise Denied("This is done signed in, not by a token.", permission="session", remedy="Sign in and do it there.")


@router.get("/people/{person_id}/sessions", response=Page[SessionOut])
def list_sessions(request: HttpRequest, person_id: str) -> Page[SessionOut]:
    """Where somebody is signed in."""
    actor, at = caller(request)
    rows = signed_in.sessions_of(actor, person_id, at=at)
    return Page[SessionOut](items=[SessionOut.of(row) for row in rows])


@router.post("/people/{person_id}/sessions/end", response=EndedOut)
def end_sessions(request: HttpRequest, person_id: str, body: ReasonIn) -> EndedOut:
    """End all sessions of somebody. Needs a session."""
    actor, at = caller(request)
    return EndedOut(sessions=signed_in.end_sessions_of(actor=actor, at=at, person_id=person_id, reason=body.reason))


@router.post("/sessions/end-everybody", response=EndedOut)
def end_everybody(request: HttpRequest, body: EndEverybodyIn) -> EndedOut:
    """End everybody's sessions, one's own too if asked, and at will every personal token. Needs a session."""
    actor, at = caller(request)
    keep = None if body.own else request.session.session_key
    done = signed_in.end_everybody(actor=actor, at=at, keep=keep, tokens=body.tokens, reason=body.reason)
    return EndedOut(sessions=done.sessions, tokens=done.tokens)


@router.get("/blocked-people", response=Page[BlockedOut])
def list_blocked(request: HttpRequest) -> Page[BlockedOut]:
    """Who has to wait after wrong tries. Needs a session."""
    actor, at = caller(request)
    items = [
        BlockedOut(
            person=one.person.id,
            name=one.person.display,
            until=one.until,
            limits=sorted({block.limit for block in one.blocks}),
        )
        for one in signed_in.blocked(actor, at=at)
    ]
    return Page[BlockedOut](items=items)


@router.post("/people/{person_id}/unblock", response=EndedOut)
def unblock(request: HttpRequest, person_id: str, body: ReasonIn) -> EndedOut:
    """Let somebody try again; never oneself. Needs a session."""
    actor, at = caller(request)
    signed_in.unblock(actor=actor, at=at, person_id=person_id, reason=body.reason)
    return EndedOut(sessions=0)
