"""Claims: every table has a line and every line a table; what a line promises to end, the worker ends; what it says an
erasure does is done; the page of the reference is the code's.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from ensign.control.api.models import Answer
from ensign.control.audit.registry import exempt_tables, governed_models, insert_only_tables
from ensign.control.federation.models import SeenToken
from ensign.control.identity.models import Account, Attempts, Link, TokenUse, Trace
from ensign.control.identity.sso.models import ProviderSession, SeenMessage
from ensign.control.identity.sso.saml_models import SamlTicket
from ensign.control.incidents.models import TriggerMinute, TriggerSeen
from ensign.control.integrations.models import Delivery, Notice
from ensign.control.kernel import clock
from ensign.control.monitoring.models import Message, Opened
from ensign.control.privacy.lines import BY_TABLE, LINES
from ensign.control.privacy.outside import OUTSIDE
from ensign.control.privacy.reference import page
from ensign.control.projects.models import TokenUse as ClientTokenUse
from ensign.control.publishing.reach_models import Reach
from ensign.control.publishing.usage_models import Application, Refusal, UsageHour
from ensign.worker import TASKS, Worker
from ensign_testkit.people import add_person

DOCUMENT = Path(__file__).parents[5] / "docs" / "reference" / "data-map.md"
NOW = clock.now()
OLD = NOW - timedelta(days=1000)
OWN = {"sqlite_sequence"}


def test_every_table_has_one_line_and_every_line_a_table(db: str) -> None:
    tables = set(connection.introspection.table_names()) - OWN
    assert tables - set(BY_TABLE) == set(), "say in privacy.lines what these hold, whose it is and for how long"
    assert set(BY_TABLE) - tables == set(), "these have a line, but do not exist"
    assert len(LINES) == len(BY_TABLE)


def test_the_reference_says_what_the_code_does() -> None:
    assert DOCUMENT.read_text("utf-8") == page()


def test_who_is_personal_says_how_it_is_erased() -> None:
    for line in LINES:
        assert line.kept, line.table
        assert line.purpose, line.table
        if line.personal:
            assert line.erased, line.table
    for place in OUTSIDE:
        assert place.kept, place.place
        assert not place.whose or place.erased, place.place


def test_what_a_line_says_of_erasing_fits_what_the_ledger_allows() -> None:
    governed = {model._meta.db_table for model in governed_models().values()}
    for line in LINES:
        if line.on_erasure in {"tombstone", "emptied"}:
            assert line.table in governed, line.table
            assert line.subject, line.table
            assert line.state, line.table
        if line.on_erasure == "removed":
            assert line.table in exempt_tables(), line.table
            assert line.subject, line.table
        if line.texts or line.mentions:
            assert line.table in governed, line.table
        if line.backup == "left out":
            assert line.table not in governed, line.table
            assert line.table not in insert_only_tables(), line.table


def test_every_task_that_a_line_names_is_the_worker_s() -> None:
    names = {task.name for task in TASKS}
    assert {line.table: line.task for line in LINES if line.task and line.task not in names} == {}


def fill() -> dict[str, Any]:
    """A row in each table whose line promises an end, far past that end; table -> its model."""
    actor = add_person("Anna Berg", "viewer")
    account = Account.objects.get(person_id=actor.id)
    Session.objects.create(session_key="over", session_data="", expire_date=OLD)
    UserSession.objects.create(user=account, session_key="over", ip="192.0.2.7", user_agent="Marker")
    Link.objects.create(id="lnk_1", kind="invite", token_hash="1" * 64, expires_at=OLD)
    Link.objects.create(id="lnk_2", kind="reset", token_hash="2" * 64, expires_at=OLD, ended_at=OLD)
    Attempts.objects.create(key="a" * 64, count=3, since=OLD)
    TokenUse.objects.create(token_id="tok_old", last_used_at=OLD)
    Message.objects.create(key="d" * 64, until=OLD)
    Opened.objects.create(request="crq_1", round=1, person=actor.id, at=OLD)
    ClientTokenUse.objects.create(token_hash="3" * 64, last_used_at=OLD)
    place: dict[str, Any] = {"project": "shop", "environment": "production"}
    UsageHour.objects.create(**place, flag="f", app_name="web", hour=OLD, variant="", yes=1, no=0, known=True)
    Application.objects.create(**place, app_name="web", sdk="x", instances=1, first_seen=OLD, last_seen=OLD)
    Refusal.objects.create(minute=OLD, reason="401_unknown_token", count=1)
    Reach.objects.create(
        **place, number=1, node="n", reporter="n", epoch=1, since=1, began_at=OLD, groups="[]", times="{}",
        slowest_ms=None, gone=0, within=0, final=True, updated_at=OLD, entry=0,
    )  # fmt: skip
    ProviderSession.objects.create(
        session_key="k", provider_id="idp_1", person_id=actor.id, identity_id="ext_1", subject_hash="6" * 64,
        started_at=OLD, checked_at=OLD,
    )  # fmt: skip
    Trace.objects.create(seq=1, at=OLD, person_id=actor.id, address="192.0.2.7", agent="Marker")
    SeenToken.objects.create(key="9" * 64, until=OLD)
    SeenMessage.objects.create(key="7" * 64, until=OLD)
    SamlTicket.objects.create(id="8" * 64, provider_id="idp_1", sealed="v1:", until=OLD)
    Notice.objects.create(person=actor.id, source="entry:1", at=OLD, topic="talk", urgency="info", facts="{}")
    Delivery.objects.create(
        id="msg_1", target=actor.id, source="entry:1", facts="{}", status="held", next_at=OLD, made_at=OLD
    )
    Answer.objects.create(id="4" * 64, request="5" * 64, created_at=OLD)
    TriggerSeen.objects.create(key="0" * 64, until=OLD)
    TriggerMinute.objects.create(id=1, since=OLD, count=1)
    models: list[Any] = [
        TriggerSeen, TriggerMinute,
        Session, UserSession, Link, Attempts, TokenUse, ClientTokenUse, UsageHour, Application, Refusal, Reach, Answer,
        ProviderSession, SeenMessage, SamlTicket, Trace, SeenToken, Opened,
        Message, Notice, Delivery,
    ]  # fmt: skip
    return {model._meta.db_table: model for model in models}


def test_what_a_line_promises_to_end_the_worker_ends(db: str) -> None:
    filled = fill()
    assert set(filled) == {line.table for line in LINES if line.task}, "fill the table of the new line here"
    assert all(model.objects.exists() for model in filled.values())
    Worker([task for task in TASKS if task.name in {line.task for line in LINES}], now=lambda: NOW).beat()
    assert {table for table, model in filled.items() if model.objects.exists()} == set()


def test_what_has_not_ended_stays(db: str) -> None:
    actor = add_person("Anna Berg", "viewer")
    Session.objects.create(session_key="on", session_data="", expire_date=NOW + timedelta(hours=1))
    account = Account.objects.get(person_id=actor.id)
    UserSession.objects.create(user=account, session_key="on", ip="192.0.2.7", user_agent="x")
    Link.objects.create(id="lnk_1", kind="invite", token_hash="1" * 64, expires_at=NOW - timedelta(days=89))
    TokenUse.objects.create(token_id="tok_new", last_used_at=NOW - timedelta(days=399))
    Worker(now=lambda: NOW).beat()
    assert UserSession.objects.count() == Link.objects.count() == TokenUse.objects.count() == 1
