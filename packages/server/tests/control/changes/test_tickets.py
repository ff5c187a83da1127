"""Claims: what people type as tickets is kept as they typed it, leads to the system that knows it and nowhere else, and
no reference can carry a script, a password or a second address."""

from __future__ import annotations

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.tickets import System, check_base, clean, link, split
from ensign.control.kernel.errors import Invalid
from ensign_testkit.changing import launch, story
from hypothesis import given
from hypothesis import strategies as st

JIRA = System(kind="jira", base_url="https://acme.atlassian.net", prefixes=("PAY", "OPS"))
NOW = System(kind="servicenow", base_url="https://acme.service-now.com")
HUB = System(kind="github", base_url="https://github.com", prefixes=("acme/shop",))
LAB = System(kind="gitlab", base_url="https://gitlab.acme.example")
ALL = (JIRA, NOW, HUB, LAB)


@pytest.mark.parametrize(
    ("reference", "url", "key"),
    [
        ("PAY-142", "https://acme.atlassian.net/browse/PAY-142", "PAY-142"),
        ("https://acme.atlassian.net/browse/PAY-142", "https://acme.atlassian.net/browse/PAY-142", "PAY-142"),
        ("HR-1", "", ""),
        ("pay-142", "", ""),
        (
            "CHG0030042",
            "https://acme.service-now.com/nav_to.do?uri=task.do%3Fsysparm_query%3Dnumber%3DCHG0030042",
            "CHG0030042",
        ),
        ("acme/shop#12", "https://github.com/acme/shop/issues/12", "acme/shop#12"),
        ("https://github.com/acme/shop/pull/7", "https://github.com/acme/shop/issues/7", "acme/shop#7"),
        ("acme/web/shop#3", "https://gitlab.acme.example/acme/web/shop/-/issues/3", "acme/web/shop#3"),
        (
            "https://gitlab.acme.example/acme/web/-/issues/9",
            "https://gitlab.acme.example/acme/web/-/issues/9",
            "acme/web#9",
        ),
        ("https://wiki.example/x", "https://wiki.example/x", ""),
        (
            "https://acme.atlassian.net.evil.example/browse/PAY-1",
            "https://acme.atlassian.net.evil.example/browse/PAY-1",
            "",
        ),
        ("a note", "", ""),
    ],
)
def test_a_reference_leads_to_the_system_that_knows_it(reference: str, url: str, key: str) -> None:
    found = link(reference, ALL)
    assert (found.url, found.key) == (url, key)


def test_what_no_system_knows_stays_text() -> None:
    assert link("PAY-142", ()).url == ""


@pytest.mark.parametrize(
    "reference",
    [
        "javascript:alert(1)//x://",
        "http://plain.example/",
        "https://user:pass@example.com/",
        'PAY-1"onclick',
        "<b>",
        "x" * 201,
        "a",
        "later",
    ],
)
def test_no_reference_carries_a_script_a_password_or_more_than_it_may(reference: str) -> None:
    with pytest.raises(Invalid) as caught:
        clean([reference])
    assert "tickets" in caught.value.fields


@given(st.text(max_size=60))
def test_whatever_is_typed_is_refused_or_leads_by_https_to_no_place_of_its_own_making(text: str) -> None:
    try:
        kept = clean(split(text))
    except Invalid:
        return
    for reference in kept:
        url = link(reference, ALL).url
        assert url == "" or url == reference or url.startswith(tuple(one.base_url + "/" for one in ALL))
        assert not any(mark in url for mark in "\"'<> \n")


@given(st.lists(st.builds("{}-{}".format, st.sampled_from(["PAY", "OPS", "X9"]), st.integers(1, 9999)), max_size=20))
def test_splitting_and_cleaning_keep_order_and_drop_doubles(keys: list[str]) -> None:
    assert clean(split(", ".join(keys))) == tuple(dict.fromkeys(keys))


def test_twenty_one_are_too_many() -> None:
    with pytest.raises(Invalid):
        clean([f"PAY-{number}" for number in range(1, 22)])


@pytest.mark.parametrize(
    ("kind", "base", "prefixes", "field"),
    [
        ("trello", "https://x.example", (), "kind"),
        ("jira", "ftp://x.example", (), "base_url"),
        ("jira", "https://x.example/?a=b", (), "base_url"),
        ("jira", "https://x.example", ("no way",), "prefixes"),
    ],
)
def test_a_system_that_cannot_be_is_refused_by_field(
    kind: str, base: str, prefixes: tuple[str, ...], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_base(kind, base, prefixes)
    assert field in caught.value.fields


def test_tickets_stay_with_a_request_through_its_edits(db: str) -> None:
    cast = story()
    made = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), wish="submit",
        title="Begin", reason="It is time.", tickets=[" PAY-142 ", "PAY-142", "https://wiki.example/x"],
    ).request  # fmt: skip
    assert made.tickets == ("PAY-142", "https://wiki.example/x")
    edited = door.edit(actor=cast.dev, at=cast.at, request_id=made.id, title="Begin slowly").request
    assert edited.tickets == made.tickets
    assert door.edit(actor=cast.dev, at=cast.at, request_id=made.id, tickets=["OPS-1"]).request.tickets == ("OPS-1",)
    with pytest.raises(Invalid):
        door.edit(actor=cast.dev, at=cast.at, request_id=made.id, tickets=["<script>"])
