"""Claim: every route lets through whom the documents name, and nobody else, in every place."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.matrix import documented, page, trying, world
from ensign_testkit.matrix.table import DONE, WORDS, rows

pytestmark = pytest.mark.once


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
    known = documented.read()
    for row in rows().values():
        for part in row.needs.replace(" and ", " or ").split(" or "):
            assert part in WORDS or part.removeprefix("anywhere ") in known, row.route
        assert row.why or (row.done == DONE and not row.refusals), f"{row.route}: say why"


def _pairs(filled: world.World, route: str, *, rest: bool) -> Iterator[tuple[tuple[str, str], world.Caller]]:
    """Where and by whom a route is tried. What may write is tried by everybody everywhere; of what only reads, every
    third pair (another third for each route) is tried with the other tests, and the ``rest`` with the slow ones.
    """
    row = rows()[route]
    pairs = [
        (place, caller)
        for place in trying.places(row, filled)
        for caller in world.callers()
        if row.is_api or not caller.token
    ]
    if row.method == "GET":
        begin = zlib.crc32(route.encode()) % 3
        pairs = [pair for at, pair in enumerate(pairs) if (at % 3 != begin) is rest]
    yield from pairs


def _wrong(filled: world.World, route: str, *, rest: bool = False) -> list[str]:
    row, said = rows()[route], documented.read()
    wrong = []
    for place, caller in _pairs(filled, route, rest=rest):
        expected = documented.allowed(
            row.needs, caller, project=place[0] or None, environment=place[1] or None, page=said
        )
        outcome = trying.attempt(filled, caller, row, place)
        right = outcome.status in (row.done if expected else row.refusals) or (outcome.refused and not expected)
        if right and outcome.status == 403 and outcome.denials != 1:
            wrong.append(f"{caller.name}: a refusal that left {outcome.denials} entries")
        if not right:
            at = "/".join(filter(None, place)) or "the organisation"
            answer = f"{outcome.status}, but the documents say {'yes' if expected else 'no'}"
            wrong.append(f"{caller.name} at {at}: {answer}: {outcome.text[:300]}")
    return wrong


@pytest.mark.parametrize("route", sorted(rows()))
def test_the_route_lets_through_whom_the_documents_name(filled: world.World, route: str) -> None:
    wrong = _wrong(filled, route)
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:6])


@pytest.mark.slow
@pytest.mark.parametrize("route", sorted(key for key, row in rows().items() if row.method == "GET"))
def test_also_those_by_whom_it_was_not_tried(filled: world.World, route: str) -> None:
    wrong = _wrong(filled, route, rest=True)
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:6])


_PLACE = {"project", "environment"}
#: Reshapes a form from what was sent and reads no strategy: one that somebody removed loses nobody's typing.
_ECHO = "POST /projects/{project}/flags/{flag}/environments/{environment}/strategies/{strategy}"
_OBJECTS = sorted(
    key for key, row in rows().items() if key != _ECHO and "{project}" in row.address and trying.used(row) - _PLACE
)


@pytest.mark.parametrize("route", _OBJECTS)
def test_what_belongs_to_another_project_is_not_reached_through_ones_own(filled: world.World, route: str) -> None:
    """The address names one's own project and the other one's flag, segment, strategy, token or environment."""
    row = rows()[route]
    caller = next(one for one in world.callers() if one.name == f"somebody with every role in {world.OWN}")
    own = filled.names(world.OWN, "production")
    foreign = filled.names(world.OTHER, "production")
    for name in sorted(trying.used(row) - _PLACE - filled.facts[""].keys()):
        outcome = trying.attempt_with(filled, caller, row, own | {name: foreign[name]})
        assert outcome.status in {403, 404, 422}, f"{name} of {world.OTHER}: {outcome.status} {outcome.text[:300]}"


def test_the_table_notices_a_route_that_asks_for_less(filled: world.World) -> None:
    """The check can fail: a route that lets everybody in is not what a row with a permission says."""
    loose, known = rows()["GET /api/v1/whoami"], documented.read()
    viewer = next(one for one in world.callers() if one.name == "viewer in the organisation")
    assert not documented.allowed("org:people:manage", viewer, project=None, environment=None, page=known)
    assert not trying.attempt(filled, viewer, loose, ("", "")).refused


def test_the_page_of_routes_is_the_table() -> None:
    """`python -m ensign_testkit.matrix.page` writes it."""
    assert page.PAGE.read_text() == page.text()
