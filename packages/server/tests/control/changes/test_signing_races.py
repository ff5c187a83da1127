"""Claims: a key that is revoked while what it signed applies is revoked before or after it, never in between: the log
holds no application after the revocation, on either database and in either order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections
from ensign.control.audit.models import Entry
from ensign.control.changes import applying
from ensign.control.changes import operations as door
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.approval_keys import queries as key_queries
from ensign.control.kernel.errors import Conflict
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.changing import Story, launch, requested, rows_equal_the_log, ruled, story
from ensign_testkit.passkeys import approve_signed, signer

PATIENCE = 30.0


class Held:
    """A function that waits, where it is called first, until it is let go."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner, self.reached, self.go = inner, threading.Event(), threading.Event()

    def __call__(self, *args: Any, **members: Any) -> Any:
        self.reached.set()
        assert self.go.wait(PATIENCE)
        return self.inner(*args, **members)


class Act(threading.Thread):
    """Something done meanwhile; ``refused`` is the conflict that it met."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self.do, self.refused, self.started = do, "", threading.Event()

    def run(self) -> None:
        self.started.set()
        try:
            self.do()
        except Conflict as refused:
            self.refused = refused.message
        finally:
            connections.close_all()


@contextmanager
def meanwhile(held: Held, first: Act, second: Act) -> Iterator[None]:
    """``first`` is in its transaction, at ``held``, when ``second`` comes; it goes on once that waits or is through."""
    first.start()
    try:
        assert held.reached.wait(PATIENCE)
        second.start()
        assert second.started.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while second.is_alive() and not waits() and time.monotonic() < deadline:
            first.join(0.05)
        yield
    finally:
        held.go.set()
        for act in (first, second):
            act.join(PATIENCE)
    assert not first.is_alive()
    assert not second.is_alive()


def waits() -> bool:
    """Whether somebody waits for a lock. SQLite has one writer: who comes second waits at its door."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def order() -> list[str]:
    """The two actions, as the log has them."""
    wanted = ("change_request.applied", "approval_key.revoked")
    found = Entry.objects.filter(action__in=wanted).order_by("-seq").values_list("action", flat=True)
    return list(found)[:2]


@pytest.fixture
def ready(db: str) -> tuple[Story, str, str]:
    """The story, a request that is approved by signature, and the key that signed."""
    cast = story()
    ruled(cast, PolicyRules(approvals=1, further=Demand(signed=True)))
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    [key] = key_queries.of_person(cast.approver.id)
    return cast, done.request.id, key.id


def acts(cast: Story, request: str, key: str) -> tuple[Act, Act]:
    return (
        Act(lambda: door.apply(actor=cast.dev, at=cast.at, request_id=request)),
        Act(lambda: keys.revoke(actor=cast.approver, at=cast.at, key_id=key)),
    )


def test_a_revocation_waits_for_the_apply_that_counted_the_key(
    ready: tuple[Story, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, revoke = acts(*ready)
    held = Held(applying.stage_rows)
    monkeypatch.setattr(applying, "stage_rows", held)
    with meanwhile(held, apply, revoke):
        assert revoke.is_alive()
    assert (apply.refused, revoke.refused) == ("", "")
    assert order() == ["approval_key.revoked", "change_request.applied"]
    assert rows_equal_the_log()


def test_an_apply_waits_for_the_revocation_and_is_refused(
    ready: tuple[Story, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, revoke = acts(*ready)
    held = Held(keys.record)
    monkeypatch.setattr(keys, "record", held)
    before = Entry.objects.filter(action="change_request.applied").count()
    with meanwhile(held, revoke, apply):
        assert apply.is_alive()
    assert "its key was revoked" in apply.refused
    assert revoke.refused == ""
    assert Entry.objects.filter(action="change_request.applied").count() == before
    assert rows_equal_the_log()
