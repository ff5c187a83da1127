"""Building the organisation: the first person, the others by invitation, groups, projects, tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory

from ensign.control.access import grants, groups, people, requests, service_accounts, setup, tokens
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.tokens import TokenWish
from ensign.control.identity import accounts, actors, factors, sign_in
from ensign.control.identity import operations as identity
from ensign.control.identity.models import Account
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import enforcement
from ensign.control.projects import operations as projects
from ensign.control.projects import tokens as client_tokens
from ensign.demo import cast
from ensign.demo.cast import Place, Player


def secret_of(seed: int) -> str:
    """The TOTP secret (base32) that everybody in the demo shares."""
    return base64.b32encode(hashlib.sha256(f"ensign-demo {seed}".encode()).digest()[:20]).decode()


def code_of(secret: str, *, at: datetime) -> str:
    """The six digits of ``at`` (RFC 6238 with SHA-1, 30 seconds; truncation: RFC 4226, 5.3)."""
    counter = struct.pack(">Q", int(at.timestamp()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, "sha1").digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


#: How long people of the demo go on in one session; real ones are shorter, but the log should not be full of them.
SESSION = timedelta(days=5)


@dataclass
class Company:
    """Who is there, by key: ``ids`` of people, groups, service accounts and their tokens, and who has left."""

    secret: str
    ids: dict[str, str] = field(default_factory=dict)
    here: dict[str, Player] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    sessions: dict[str, tuple[datetime, HttpRequest]] = field(default_factory=dict)

    def actor(self, key: str, *, at: datetime) -> Actor:
        """A session of theirs that has just proved a second factor; they sign in when the last one is over."""
        if key in self.sessions and at - self.sessions[key][0] > SESSION:
            self.sign_in(key, at=at)
        return Actor(kind="person", id=self.ids[key], via="session", mfa_at=at)

    def sign_in(self, key: str, *, at: datetime) -> None:
        """Begin a session with the second factor, as the page does; the one before has run out."""
        if key in self.sessions:
            with write_door():
                accounts.end_sessions(self.ids[key])
        request = RequestFactory(headers={"User-Agent": "Mozilla/5.0 (demo)"}).get("/login")
        request.session, request.user = SessionStore(), AnonymousUser()
        account = Account.objects.select_related("person").get(person_id=self.ids[key])
        sign_in.complete(request, account, way="totp", at=at)
        Account.objects.filter(pk=account.pk).update(last_login=at)  # Django notes the real time
        self.sessions[key] = at, request

    def service(self, key: str, *, at: datetime) -> Actor:
        """A service account, which shows its token."""
        return actors.from_token(self.tokens[key], at=at)

    def holders(self, role: str, project: str) -> list[str]:
        """Keys of the people here who hold ``role`` in ``project``."""
        return [
            key for key, player in self.here.items() if any(r == role and p in {None, project} for r, p in player.roles)
        ]


def found(company: Company, *, at: datetime) -> None:
    """The first person follows the set-up link, chooses the preset and makes groups, projects and service accounts."""
    first = cast.FIRST
    link = identity.create_setup_link(at=at)
    person = setup.set_up(
        actor=ANONYMOUS,
        at=at + timedelta(minutes=4),
        link=link,
        name=first.name,
        email=first.email,
        password=cast.PASSWORD,
        preset="small-team",
        organisation=cast.ORGANISATION,
    )
    company.ids[first.key] = person.id
    company.here[first.key] = first
    at += timedelta(minutes=10)
    actor = company.actor(first.key, at=at)
    _enrol(company, first.key, at=at)
    enforcement.choose_preset(actor=actor, at=at, preset="small-team")
    for name, description in cast.GROUPS:
        company.groups[name] = groups.create(actor=actor, at=at, name=name, description=description).id
    for place in cast.PROJECTS:
        settle(actor, place, at=at)
    for name, purpose, role in cast.SERVICES:
        hire(company, actor, name, purpose, role, at=at)


def settle(actor: Actor, place: Place, *, at: datetime, preset: str | None = None) -> None:
    """A project with a token of its applications for each environment; without ``preset`` on the company's."""
    projects.create_project(
        actor=actor, at=at, key=place.key, name=place.name, description=place.description, preset=preset
    )
    for environment in ("development", "staging", "production"):
        client_tokens.create_token(
            actor=actor, at=at, name=f"{place.key} services", type="backend", projects=[place.key],
            environment=environment,
        )  # fmt: skip


def hire(company: Company, actor: Actor, name: str, purpose: str, role: str, *, at: datetime) -> None:
    """A service account with a role and a token."""
    made = service_accounts.create(actor=actor, at=at, name=name, purpose=purpose, owner=actor.id)
    company.services[name] = made.id
    grants.give(actor=actor, at=at, subject=made.id, wish=Wish(role=role), reason="Least that it needs.")
    wish = TokenWish(name="ci", days=365)
    token = tokens.create_for_service(actor=actor, at=at, service_account_id=made.id, wish=wish)
    company.tokens[name] = token.text


def give(company: Company, key: str, role: str, project: str, *, at: datetime, reason: str) -> None:
    """A further role for somebody; the second administrator confirms what approves or does without approval."""
    admin = company.actor(cast.FIRST.key, at=at)
    wish = Wish(role=role, scope=Scope(project))
    given = grants.give(actor=admin, at=at, subject=company.ids[key], wish=wish, reason=reason)
    if role in {"approver", "responder"}:
        confirm(company, given.id, at + timedelta(minutes=12))
    player = company.here[key]
    company.here[key] = replace(player, roles=(*player.roles, (role, project)))


def join(company: Company, player: Player, at: datetime) -> None:
    """An invitation with roles, accepted within the hour; a second factor; a group."""
    admin = company.actor(cast.FIRST.key, at=at)
    wishes = [Wish(role=role, scope=Scope(project)) for role, project in player.roles]
    invited = people.invite(
        actor=admin, at=at, email=player.email, name=player.name, wishes=wishes, reason="Joins the team."
    )
    for waiting in invited.waiting:
        confirm(company, waiting.id, at + timedelta(minutes=20))
    joined = at + timedelta(minutes=35)
    identity.accept_invitation(actor=ANONYMOUS, at=joined, link=invited.link, name=player.name, password=cast.PASSWORD)
    company.ids[player.key] = invited.person.id
    company.here[player.key] = player
    _enrol(company, player.key, at=joined)
    if player.group is not None:
        group = company.groups[player.group]
        admin = company.actor(cast.FIRST.key, at=joined)
        groups.add_member(actor=admin, at=joined, group_id=group, person_id=invited.person.id)


def confirm(company: Company, request_id: str, at: datetime) -> None:
    """The second person for what approves production: the other administrator, who has proved a second factor."""
    second = company.actor(cast.SECOND, at=at)
    requests.approve(actor=second, at=at, request_id=request_id, reason="Agreed with the team's lead.")


def leave(company: Company, player: Player, at: datetime) -> None:
    """Somebody leaves: sessions, tokens and the say in reviews end with the account."""
    admin = company.actor(cast.FIRST.key, at=at)
    people.deactivate(actor=admin, at=at, person_id=company.ids[player.key], reason="Last day with us; HR ticket 4711.")
    del company.here[player.key]
    company.sessions.pop(player.key, None)


def _enrol(company: Company, key: str, *, at: datetime) -> None:
    actor = Actor(kind="person", id=company.ids[key], via="session")
    code = code_of(company.secret, at=at)
    factors.enrol_totp(actor=actor, at=at, secret=company.secret, code=code, password=cast.PASSWORD)
    company.sign_in(key, at=at)
