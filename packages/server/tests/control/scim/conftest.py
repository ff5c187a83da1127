"""A directory with a token of its own, over this test's database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client
from ensign.control.kernel.actor import Actor
from ensign_testkit.directory import Directory


def send(
    method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], Any]:
    """A request through everything that stands before the view."""
    given = dict(headers or {})
    kind = given.pop("Content-Type", "application/scim+json")
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Client().generic(method, path, data, content_type=kind, headers=given)
    return answer.status_code, dict(answer.headers), json.loads(answer.content) if answer.content else None


@pytest.fixture
def admin(db: str) -> Actor:
    from ensign_testkit.people import add_person  # deferred: this file is read before Django is set up

    return add_person("Ada Admin", "admin")


@pytest.fixture
def idp(admin: Actor) -> Directory:
    from ensign.control.kernel import clock  # deferred: as above
    from ensign.control.scim import tokens  # deferred: as above

    made = tokens.create(actor=admin, at=clock.now(), name="idp")
    return Directory(send=send, token=made.text)
