"""Somebody who left, with all that usually stays of them: for tests of erasing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from ensign.control.access import people, tokens
from ensign.control.access.grants import Wish, give
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.flags.operations import create_flag
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.privacy import erasure
from ensign.control.projects.operations import create_project

from ensign_testkit.people import add_person
from ensign_testkit.providers import add_identity, add_provider

NAME = "Zerlina Quux"
EMAIL = "zerlina.quux@example.com"
LEFT = clock.now()
NOW = LEFT + timedelta(days=3 * 365)


def at_session(actor: Actor, at: datetime) -> Actor:
    """The same person in a session that has just proved a second factor at ``at``."""
    return Actor(kind="person", id=actor.id, via="session", mfa_at=at)


class World:
    """A company that Zerlina works for until ``LEFT``, three years before ``NOW``."""

    def __init__(self) -> None:
        self.ada = add_person("Ada Admin", "admin", at=LEFT)
        self.bea = add_person("Bea Admin", "admin", at=LEFT)
        self.dan = add_person("Dan Dev", "developer", at=LEFT)
        at = LEFT
        self.zed = add_person(NAME, "developer", email=EMAIL, at=at)
        create_project(actor=self.ada, at=at, key="shop", name="Shop", preset="small-team")
        create_flag(actor=self.dan, at=at, project="shop", key="checkout")
        self.request = door.propose(
            actor=self.zed, at=at, project="shop", environment="production",
            operations=(FlagEnable(flag="checkout"),), title=f"{NAME} switches it on",
            reason=f"Ask {EMAIL} about it", wish="submit",
        ).request  # fmt: skip
        door.comment(actor=self.dan, at=at, request_id=self.request.id, text=f"Looks good, {NAME.upper()}!")
        self.token = tokens.create_personal(actor=self.zed, at=at, wish=TokenWish(name=f"Laptop of {NAME}"))
        self.provider = add_provider()
        add_identity(self.provider, self.zed.id, subject=EMAIL, at=at)
        give(actor=self.ada, at=at, subject=self.zed.id, wish=Wish(role="viewer"), reason=f"{NAME} reads")
        people.deactivate(actor=self.ada, at=at, person_id=self.zed.id, reason=f"{NAME} left us")

    def ask(self, *, at: datetime = NOW, early: bool = False, reason: str = "they asked for it") -> str:
        """Ada asks."""
        asked = erasure.ask(actor=at_session(self.ada, at), at=at, person_id=self.zed.id, reason=reason, early=early)
        return asked.id

    def erase(self, *, at: datetime = NOW) -> Entry:
        """Ada asks, Bea confirms; the entry."""
        erasure.confirm(actor=at_session(self.bea, at), at=at, erasure_id=self.ask(at=at))
        found = Entry.objects.filter(action="person.erased").order_by("seq").first()
        assert found is not None
        return found


def readable() -> str:
    """Every value of every table as one text, in lower case."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            parts += [str(row) for row in cursor.fetchall()]
    return "\n".join(parts).lower()
