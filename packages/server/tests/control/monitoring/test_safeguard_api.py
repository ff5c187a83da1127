"""Claims: the list of a project's safeguards is of a project that exists, whatever stands in its address."""

from __future__ import annotations

from django.test import Client
from ensign_testkit.changing import story
from ensign_testkit.people import sign_in


def test_an_address_of_no_project_is_said_to_be_none(db: str) -> None:
    """Also one whose characters no header can hold: the project that was looked at last is kept in a cookie."""
    client = sign_in(Client(), story().admin)
    assert client.get("/api/v1/projects/shop/safeguards").status_code == 200
    for key in ("nowhere", "\U00056179"):
        assert client.get(f"/api/v1/projects/{key}/safeguards").status_code == 404
        assert client.get("/api/v1/projects/shop/flags").status_code == 200
