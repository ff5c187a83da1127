"""Claims: a job's ID token becomes a short-lived token of exactly what the rule says, once; every attack on the way is
refused by the step that is meant to refuse it, and is an entry that holds nothing of what was sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from ensign.control.access import service_accounts
from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import NEVER_BY_TOKEN, Permission
from ensign.control.audit.minutes import LOUD
from ensign.control.audit.models import Document, Entry
from ensign.control.federation import operations, refusals, verify
from ensign.control.federation.exchange import exchange
from ensign.control.federation.issuers import Issuers
from ensign.control.federation.models import SeenToken
from ensign.control.federation.verify import REFUSALS, Refused
from ensign.control.identity import queries as identity
from ensign.control.identity.actors import from_token
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Unauthenticated
from ensign_testkit.federating import AUDIENCE, World, wish, world_of
from ensign_testkit.issuer import b64, issuing

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def world(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    with issuing() as issuer:
        yield world_of(issuer)


def refused(world: World, token: str, **more: str) -> str:
    """The code of the refusal, which is an entry."""
    before = Entry.objects.count()
    with pytest.raises(Refused) as found:
        world.exchange(token, **more)
    body = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert Entry.objects.count() == before + 1
    assert (body["action"], body["detail"]["code"]) == ("federation.refused", found.value.code)
    return found.value.code


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}.{signature}"


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", "ed-1"])
def test_a_job_gets_a_token_of_what_the_rule_says_for_as_long_as_it_says(world: World, kid: str) -> None:
    made = world.exchange(world.issuer.token(kid))
    assert made.text.startswith("ensign_fed_")
    token = made.token
    assert (token.kind, token.subject, token.permissions, token.project) == (
        "federated", world.account, ("project:read",), "shop",
    )  # fmt: skip
    assert token.expires_at - token.created_at == timedelta(minutes=15)
    actor = from_token(made.text, at=clock.now())
    assert (actor.kind, actor.id) == ("service", world.account)
    rights = held(actor, at=clock.now())
    assert rights.allows(Permission.PROJECT_READ, Scope("shop"))
    assert not rights.allows(Permission.ORG_READ), "the account may, the rule does not let the job"
    assert not any(rights.allows(permission, Scope("shop", "production")) for permission in NEVER_BY_TOKEN)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=token.expires_at)


def test_the_entry_says_issuer_and_rule_and_the_subject_only_as_a_commitment(world: World) -> None:
    made = world.exchange(world.issuer.token())
    text = Entry.objects.order_by("-seq")[0].body
    body = json.loads(text)
    assert body["action"] == "federation.exchanged"
    assert body["actor"] == {"kind": "service", "id": world.account, "via": "token", "token": made.token.id}
    assert (body["detail"]["rule"], body["detail"]["issuer"]) == (world.rule.id, world.issuer.url)
    assert "acme" not in text
    assert "octocat" not in text
    kept = "".join(content or "" for content in Document.objects.values_list("content", flat=True))
    assert "repo:acme/shop:ref:refs/heads/main" in kept
    assert "octocat" not in kept, "who pushed is nowhere"
    assert made.text not in kept + text


def test_whoever_made_the_rule_stands_behind_what_the_job_writes(world: World) -> None:
    made = world.exchange(world.issuer.token())
    assert world.admin.id in identity.people_behind(world.account, token_id=made.token.id)


# --- Attacks on the signature -----------------------------------------------------------------------------


def test_alg_none_and_an_unsigned_token_are_refused(world: World) -> None:
    claims = world.issuer.claims()
    for name in ("none", "None", "NONE", "nOnE"):
        assert refused(world, unsigned({"alg": name, "kid": "rsa-1"}, claims, "e30")) == "algorithm"
    assert refused(world, unsigned({"alg": "none", "kid": "rsa-1"}, claims)) == "malformed"
    good = world.issuer.token()
    assert refused(world, good.rpartition(".")[0] + ".") == "malformed"
    assert refused(world, good.rpartition(".")[0]) == "malformed"


def test_hs256_with_the_public_key_as_secret_is_refused(world: World) -> None:
    head = {"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}
    body = unsigned(head, world.issuer.claims()).rstrip(".")
    for secret in (world.issuer.pem("rsa-1"), json.dumps(world.issuer.jwk("rsa-1")).encode()):
        mac = b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())
        assert refused(world, f"{body}.{mac}") == "algorithm"


def test_a_key_in_the_header_is_not_believed(world: World) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.get_algorithm_by_name("RS256").to_jwk(own.public_key(), as_dict=True)
    more = {"jwk": public, "jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/x"}
    forged = jwt.encode(world.issuer.claims(), own, algorithm="RS256", headers={"kid": "rsa-1", **more})
    assert refused(world, forged) == "signature"


def test_another_keys_signature_another_key_id_and_another_algorithm_are_refused(world: World) -> None:
    good = world.issuer.token()
    other = jwt.encode(
        world.issuer.claims(), rsa.generate_private_key(public_exponent=65537, key_size=2048),
        algorithm="RS256", headers={"kid": "rsa-1"},
    )  # fmt: skip
    assert refused(world, other) == "signature"
    assert refused(world, world.issuer.token(header={"kid": "rsa-2"})) == "unknown_key"
    assert refused(world, world.issuer.token(header={"kid": "ec-1"})) == "unfit_key"
    head, body, mac = good.split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed["repository"] = "acme/bank"
    assert refused(world, f"{head}.{b64(json.dumps(changed).encode())}.{mac}") == "signature"


def test_a_header_that_asks_for_more_is_refused(world: World) -> None:
    claims = world.issuer.claims()
    for more in (
        {"crit": ["exp"]},
        {"b64": False},
        {"typ": "at+jwt"},
        {"typ": 1},
        {"kid": ""},
        {"kid": 7},
        {"kid": None},
    ):
        head = {"alg": "RS256", "kid": "rsa-1", **more}
        assert refused(world, unsigned(head, claims, "AAAA")) == "header"
    assert refused(world, unsigned({"alg": ["RS256"], "kid": "rsa-1"}, claims, "AAAA")) == "algorithm"


def test_weak_ambiguous_and_unfit_keys_are_refused(world: World) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    world.issuer.keys["weak"] = ("RS256", weak)
    rows = [world.issuer.jwk("weak"), world.issuer.jwk("rsa-1"), world.issuer.jwk("rsa-1")]
    world.issuer.answer("/jwks", {"keys": [*rows, {**world.issuer.jwk("ec-1"), "use": "enc"}]})
    assert refused(world, world.issuer.token("weak")) == "unfit_key"
    assert refused(world, world.issuer.token("rsa-1")) == "unfit_key"
    assert refused(world, world.issuer.token("ec-1")) == "unfit_key"


# --- Attacks on what it says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "offsets"),
    [
        ("expired", {"exp": -61}),
        ("not_yet", {"iat": 90, "nbf": 90}),
        ("not_yet", {"nbf": 90}),
        ("too_old", {"iat": -3700, "nbf": -3700}),
    ],
)
def test_a_token_counts_only_in_its_time(world: World, code: str, offsets: dict[str, int]) -> None:
    now = int(time.time())
    assert refused(world, world.issuer.token(**{name: now + offset for name, offset in offsets.items()})) == code


def test_a_minute_of_leeway_is_given(world: World) -> None:
    now = int(time.time())
    world.exchange(world.issuer.token(exp=now - 30))
    world.exchange(world.issuer.token(iat=now + 30, nbf=now + 30))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["soon", True, [], {}, "1900000000"])
def test_times_that_are_no_numbers_are_refused(world: World, name: str, value: object) -> None:
    assert refused(world, world.issuer.token(**{name: value})) == "times"


def test_times_that_are_missing_or_beyond_all_numbers_are_refused(world: World) -> None:
    assert refused(world, world.issuer.token(exp=None)) == "times"
    assert refused(world, world.issuer.token(iat=None, nbf=None)) == "times"
    assert refused(world, world.issuer.token(exp=10**400)) == "times"


@pytest.mark.parametrize(
    "aud",
    [
        "https://other.example.com", [AUDIENCE], [AUDIENCE, "https://other.example.com"], None, "",
        AUDIENCE + "/", {"aud": AUDIENCE}, 7,
    ],
)  # fmt: skip
def test_the_audience_is_one_text_and_exactly_that_of_the_rule(world: World, aud: object) -> None:
    assert refused(world, world.issuer.token(aud=aud)) == "audience"


def test_the_issuer_is_compared_letter_by_letter(world: World) -> None:
    url = world.issuer.url
    for other in (
        url + "/",
        url.upper(),
        url.replace("127.0.0.1", "localhost"),
        url + "/.",
        url + "#",
        "",
        url + "%2f",
    ):
        assert refused(world, world.issuer.token(iss=other)) == "unknown_issuer"
    for other in ([url], {"iss": url}, 7, None, True):
        # The library refuses to write some of these; the bytes matter, not who wrote them.
        text = unsigned({"alg": "RS256", "kid": "rsa-1"}, {**world.issuer.claims(), "iss": other}, "AAAA")
        assert refused(world, text) == "unknown_issuer"
    assert world.issuer.asked == [], "nobody was asked for keys"


def test_another_issuer_that_shows_the_same_keys_is_not_this_one(world: World) -> None:
    """A rule for one issuer is never satisfied by another one, though the keys be the same."""
    with issuing() as other:
        other.keys = world.issuer.keys
        other.publish()
        assert refused(world, other.token()) == "unknown_issuer"
        operations.create(
            actor=world.admin, at=clock.now(), service_account_id=world.account,
            wish=wish(other, claims={"repository": "acme/elsewhere"}),
        )  # fmt: skip
        assert refused(world, other.token()) == "claims"


def test_a_path_in_the_issuer_is_part_of_it(world: World) -> None:
    """A tenant of an issuer that serves several is not its neighbour, nor its parent."""
    for path in ("/tenant-b", "/tenant-a/../tenant-b", "//tenant-a"):
        assert refused(world, world.issuer.token(iss=world.issuer.url + path)) == "unknown_issuer"


@pytest.mark.parametrize(
    "more",
    [
        {"repository": "acme/shop-evil"}, {"repository": "evil/shop"}, {"repository": "acme/shop\n"},
        {"repository": ["acme/shop"]}, {"repository": {"name": "acme/shop"}}, {"repository": 7}, {"repository": None},
        {"repository": "ACME/shop"}, {"ref": "refs/heads/main2"}, {"ref": "refs/heads/*"}, {"ref": "*"},
        {"ref": "refs/tags/main"}, {"ref": True},
    ],
)  # fmt: skip
def test_a_claim_matches_as_a_text_from_end_to_end(world: World, more: dict[str, object]) -> None:
    assert refused(world, world.issuer.token(**more)) == "claims"


def test_a_number_or_list_as_subject_opens_nothing(world: World) -> None:
    operations.change(
        actor=world.admin, at=clock.now(), rule_id=world.rule.id,
        wish=wish(world.issuer, claims={"sub": "repo:acme/shop:ref:refs/heads/main"}),
    )  # fmt: skip
    for subject in (7, ["repo:acme/shop:ref:refs/heads/main"], True, {"a": 1}):
        text = json.dumps({**world.issuer.claims(), "sub": subject}).encode()
        _, key = world.issuer.keys["rsa-1"]
        token = jwt.PyJWS().encode(text, key, algorithm="RS256", headers={"kid": "rsa-1"})
        assert refused(world, token) == "claims"
    world.exchange(world.issuer.token())


# --- Attacks on the reader --------------------------------------------------------------------------------


def test_a_huge_token_is_refused_before_it_is_read(world: World) -> None:
    assert refused(world, "a" * 16_385) == "too_large"
    assert refused(world, world.issuer.token(extra="x" * 20_000)) == "too_large"


def test_deep_double_and_broken_json_is_refused(world: World) -> None:
    head = b64(b'{"alg":"RS256","kid":"rsa-1"}')
    for body in (
        b"[" * 5000 + b"]" * 5000, b'{"iss":"a","iss":"b"}', b'{"exp":NaN}', b"[]", b"7", b"", b"\xff",
        b'{"a":"\\ud800"}', b'{"a":' * 40 + b"1" + b"}" * 40,
    ):  # fmt: skip
        assert refused(world, f"{head}.{b64(body) or 'A'}.AAAA") == "malformed"
    deep = b64(b'{"alg":"RS256","kid":' + b"[" * 4000 + b"]" * 4000 + b"}")
    assert refused(world, f"{deep}.e30.AAAA") == "malformed"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a b.c.d", "a=.b.c", "é.é.é", "a.b.c\n", "..", "a.b.c\x00"])
def test_what_is_no_jwt_is_refused(world: World, text: str) -> None:
    assert refused(world, text) == "malformed"


# --- Replay -----------------------------------------------------------------------------------------------


def test_a_token_is_good_for_one_exchange(world: World) -> None:
    token = world.issuer.token()
    world.exchange(token)
    assert refused(world, token) == "replayed"


def test_nor_does_a_signature_that_is_spelled_otherwise_make_it_another_token(world: World) -> None:
    """ECDSA lets anybody turn (r, s) into (r, -s); base64url has spare bits in its last letter."""
    token = world.issuer.token("ec-1", jti=None)
    world.exchange(token)
    body, _, mac = token.rpartition(".")
    raw = base64.urlsafe_b64decode(mac + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    twin = r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big")
    assert refused(world, f"{body}.{b64(twin)}") == "replayed"


def test_nor_does_another_token_with_the_same_id_count(world: World) -> None:
    world.exchange(world.issuer.token(jti="one"))
    assert refused(world, world.issuer.token(jti="one", run_id="2")) == "replayed"
    assert refused(world, world.issuer.token("ed-1", jti="one")) == "replayed"


def test_of_many_at_once_one_gets_through(world: World) -> None:
    token, results = world.issuer.token(), []

    def attempt() -> None:
        try:
            world.exchange(token)
            results.append("made")
        except Refused as error:
            results.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["made"] + ["replayed"] * 5


def test_it_is_remembered_until_it_could_not_count_any_more(world: World) -> None:
    now = int(time.time())
    token = world.issuer.token(exp=now + 10**6)
    world.exchange(token)
    at = clock.now() + timedelta(minutes=61)
    refusals.summarise(at=at)
    assert SeenToken.objects.exists()
    with pytest.raises(Refused) as found:
        verify.check_times(verify.read(token), at=at + timedelta(minutes=1))
    assert found.value.code == "too_old"
    refusals.summarise(at=at + timedelta(minutes=2))
    assert not SeenToken.objects.exists()


# --- Which rule, and what ends a token --------------------------------------------------------------------


def test_of_several_rules_that_match_the_caller_names_one(world: World) -> None:
    other = service_accounts.create(
        actor=world.admin, at=clock.now(), name="reader", purpose="reads", owner=world.admin.id
    )
    second = operations.create(
        actor=world.admin, at=clock.now(), service_account_id=other.id, wish=wish(world.issuer, name="read")
    )
    assert refused(world, world.issuer.token()) == "ambiguous"
    for name in (other.id, "reader", second.id):
        assert world.exchange(world.issuer.token(), audience=name).token.subject == other.id
    assert refused(world, world.issuer.token(), audience="nobody") == "claims"


def test_ending_or_changing_a_rule_ends_its_tokens_at_once(world: World) -> None:
    first = world.exchange(world.issuer.token())
    operations.change(actor=world.admin, at=clock.now(), rule_id=world.rule.id, wish=wish(world.issuer, minutes=5))
    with pytest.raises(Unauthenticated):
        from_token(first.text, at=clock.now())
    second = world.exchange(world.issuer.token())
    assert second.token.expires_at - second.token.created_at == timedelta(minutes=5)
    operations.end(actor=world.admin, at=clock.now(), rule_id=world.rule.id)
    with pytest.raises(Unauthenticated):
        from_token(second.text, at=clock.now())
    assert refused(world, world.issuer.token()) == "unknown_issuer"


def test_a_disabled_account_gets_no_token(world: World) -> None:
    made = world.exchange(world.issuer.token())
    service_accounts.disable(actor=world.admin, at=clock.now(), service_account_id=world.account)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=clock.now())
    assert refused(world, world.issuer.token()) == "inactive"


# --- The log ----------------------------------------------------------------------------------------------


def test_refusals_hold_nothing_of_what_was_sent_and_are_summed_up_above_a_rate(world: World) -> None:
    at = clock.now()
    before = Entry.objects.count()
    for number in range(30):
        with pytest.raises(Refused):
            exchange(subject_token=f"anna@example.com-{number}", at=at, issuers=world.issuers)
    assert Entry.objects.count() == before + LOUD
    refusals.summarise(at=at + timedelta(minutes=2))
    body = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert (body["action"], body["detail"]["count"]) == ("federation.refusals_summarised", 10)
    texts = "".join(Entry.objects.values_list("body", flat=True)) + "".join(
        Document.objects.values_list("content", flat=True)
    )
    assert "anna@example.com-" not in texts


def test_an_issuer_that_no_rule_trusts_stands_nowhere(world: World) -> None:
    refused(world, world.issuer.token(iss="https://anna.example.com"))
    assert "anna" not in Entry.objects.order_by("-seq")[0].body


def test_every_code_of_a_refusal_says_something() -> None:
    assert all(text.endswith(".") for text in REFUSALS.values())


def test_issuers_of_this_process_are_the_default(world: World) -> None:
    made = exchange(subject_token=world.issuer.token(), at=clock.now())
    assert made.token.kind == "federated"
    assert isinstance(world.issuers, Issuers)
