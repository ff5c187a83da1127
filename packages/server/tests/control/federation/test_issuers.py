"""Claims: an issuer's keys are fetched through the guard, within bounds of size, time and number, following nothing;
made-up tokens cause at most one question a minute; keys go on for an hour while their issuer is away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ensign.control.federation.issuers import FRESH, MAX_DOCUMENT, PAUSE, STALE, Away, Issuers, Keys, fetch
from ensign.control.kernel import fetching, outbound
from ensign_testkit.issuer import Issuer, issuing

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    with issuing() as running:
        yield running


def test_keys_are_those_of_the_discovery_document(issuer: Issuer) -> None:
    assert {key["kid"] for key in fetch(issuer.url)} == {"rsa-1", "ec-1", "ed-1"}
    assert issuer.asked == [DISCOVERY, "/jwks"]


def test_a_trailing_slash_is_taken_off_for_the_address_and_counts_for_the_name(issuer: Issuer) -> None:
    """OpenID Connect Discovery, section 4.1; the name itself is compared letter by letter."""
    with pytest.raises(Away, match="another issuer"):
        fetch(issuer.url + "/")
    issuer.answer(DISCOVERY, {"issuer": issuer.url + "/", "jwks_uri": f"{issuer.url}/jwks"})
    assert fetch(issuer.url + "/")


def test_private_addresses_are_not_asked(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENSIGN_OUTBOUND_ALLOW")
    with pytest.raises(Away, match="not a public address"):
        fetch(issuer.url)
    assert issuer.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://10.0.0.1/jwks",
        "https://10.0.0.1/jwks",
        7,
        None,
        "",
    ],
)
def test_nor_are_those_that_a_discovery_document_names(issuer: Issuer, address: object) -> None:
    issuer.answer(DISCOVERY, {"issuer": issuer.url, "jwks_uri": address})
    with pytest.raises(Away):
        fetch(issuer.url)


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    issuer.answer("/jwks", {}, status=302, Location=f"{issuer.url}/elsewhere")
    issuer.answer("/elsewhere", {"keys": [issuer.jwk("rsa-1")]})
    with pytest.raises(Away, match="302"):
        fetch(issuer.url)
    assert "/elsewhere" not in issuer.asked


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b'{"keys":{}}', b'{"keys":[1]}', b'{"keys":[],"keys":[]}', b"[" * 9000, b"{}",
        b'{"keys":[' + b",".join([b"{}"] * 101) + b"]}",
    ],
)  # fmt: skip
def test_a_key_set_that_is_none_is_refused(issuer: Issuer, body: bytes) -> None:
    issuer.answer("/jwks", body)
    with pytest.raises(Away):
        fetch(issuer.url)


def test_a_huge_answer_is_not_read_to_its_end(issuer: Issuer) -> None:
    issuer.answer("/jwks", b" " * (MAX_DOCUMENT + 1))
    with pytest.raises(Away, match="OSError"):
        fetch(issuer.url)


def test_an_answer_that_drips_ends_in_time(issuer: Issuer) -> None:
    """One byte every 50 ms is never too late for the socket's own time-out."""
    issuer.drip = 0.05
    issuer.answer("/slow", b"x" * 10_000)
    target = outbound.check(f"{issuer.url}/slow", allow=outbound.networks("127.0.0.0/8"))
    begun = time.monotonic()
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on when it is cut
        fetching.fetch(target, limit=20_000, timeout=0.5)
    assert time.monotonic() - begun < 30


class Clock:
    """A clock that stands still, and an issuer that counts who asks."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.away = False

    def ask(self, _issuer: str) -> Keys:
        self.asked += 1
        if self.away:
            raise Away("It is away.")
        return ({"kid": str(self.asked)},)


@pytest.fixture
def clocked() -> tuple[Clock, Issuers]:
    clock = Clock()
    return clock, Issuers(ask=clock.ask, now=lambda: clock.now)


def test_keys_are_kept_and_an_unknown_one_asks_again_at_most_once_a_minute(clocked: tuple[Clock, Issuers]) -> None:
    clock, issuers = clocked
    for _ in range(50):
        issuers.keys("a")
        issuers.keys("a", unknown=True)
    assert clock.asked == 1
    clock.now += PAUSE
    for _ in range(50):
        assert issuers.keys("a", unknown=True) == ({"kid": "2"},)
    assert clock.asked == 2
    clock.now += FRESH
    issuers.keys("a")
    assert clock.asked == 3


def test_an_issuer_that_is_away_is_left_alone_for_a_minute_and_its_keys_count_for_an_hour(
    clocked: tuple[Clock, Issuers],
) -> None:
    clock, issuers = clocked
    clock.away = True
    for _ in range(20):
        with pytest.raises(Away, match="away"):
            issuers.keys("a")
    assert clock.asked == 1
    clock.away = False
    clock.now += PAUSE
    issuers.keys("a")
    clock.away = True
    clock.now += STALE - 1
    assert issuers.keys("a") == ({"kid": "2"},)
    clock.now += 1
    with pytest.raises(Away):
        issuers.keys("a")


def test_a_changed_rule_makes_it_ask_anew(clocked: tuple[Clock, Issuers]) -> None:
    clock, issuers = clocked
    issuers.keys("a")
    issuers.forget("a")
    issuers.keys("a")
    assert clock.asked == 2
