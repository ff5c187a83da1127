"""Claim: every route lets through whom the documents name, and nobody else, in every place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.matrix import documented, trying, world
from ensign_testkit.matrix.table import DONE, WORDS, rows


@pytest.fixture(scope="module")
def filled(databases: SqliteFactory | PostgresFactory) -> Iterator[world.World]:
    """One world for all rows: every call is rolled back."""
    with databases.clone():
        yield world.build()


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    """A new route without a row fails here: say in ``ensign_testkit/matrix`` what it needs."""
    found, known = trying.routes(), set(rows())
    assert not found - known, f"without a row: {sorted(found - known)}"
    assert not known - found, f"without a route: {sorted(known - found)}"


def test_every_row_needs_what_the_documents_know() -> None:
    page = documented.read()
    for row in rows().values():
        for part in row.needs.replace(" and ", " or ").split(" or "):
            assert part in WORDS or part.removeprefix("anywhere ") in page, row.route
        assert row.why or (row.done == DONE and not row.refusals), f"{row.route}: say why"


@pytest.mark.parametrize("route", sorted(rows()))
def test_the_route_lets_through_whom_the_documents_name(filled: world.World, route: str) -> None:
    row, page = rows()[route], documented.read()
    wrong = []
    for place in trying.places(row, filled):
        for caller in world.callers():
            if caller.token and not row.is_api:
                continue
            expected = documented.allowed(
                row.needs, caller, project=place[0] or None, environment=place[1] or None, page=page
            )
            outcome = trying.attempt(filled, caller, row, place)
            right = outcome.status in (row.done if expected else row.refusals) or (outcome.refused and not expected)
            if not right:
                wrong.append(
                    f"{caller.name} at {'/'.join(filter(None, place)) or 'the organisation'}: {outcome.status}, but the documents say"
                    f" {'yes' if expected else 'no'}: {outcome.text[:300]}"
                )
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:6])
