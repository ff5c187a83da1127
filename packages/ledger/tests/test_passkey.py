"""Claims: an answer counts as a signature only if every part of it says what it must, whatever the algorithm; the plain
Python of it agrees with ``cryptography``; no byte of an answer or of a key can be changed."""

from __future__ import annotations

import functools
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from ensign_ledger import p256
from ensign_ledger.cose import EDDSA, ES256, RS256, PublicKeyError, parse_key
from ensign_ledger.passkey import Assertion, challenge_of, problem, unb64url
from ensign_ledger.testing_passkeys import SimulatedPasskey, cose_map
from hypothesis import given, settings
from hypothesis import strategies as st

CHALLENGE = bytes(range(32))
ALGORITHMS = [ES256, EDDSA, RS256]


@functools.cache
def passkey(algorithm: int) -> SimulatedPasskey:
    return SimulatedPasskey(algorithm)


@functools.cache
def answered(algorithm: int) -> Assertion:
    return passkey(algorithm).sign(CHALLENGE)


def judged(assertion: Assertion, algorithm: int = ES256, **other: Any) -> str | None:
    key = passkey(algorithm)
    said = {"key": parse_key(key.public_key), "challenge": CHALLENGE, "host": key.host, "origin": key.origin}
    return problem(assertion, **{**said, **other})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_honest_answer_is_good(algorithm: int) -> None:
    assertion = answered(algorithm)
    assert judged(assertion, algorithm) is None
    assert challenge_of(assertion.client_data) == CHALLENGE
    assert assertion.counter == 1


def test_an_answer_to_another_challenge_is_refused() -> None:
    assert "another challenge" in str(judged(answered(ES256), challenge=bytes(32)))


@pytest.mark.parametrize(
    "origin",
    [
        "https://flags.example.com:8443",
        "http://flags.example.com",
        "https://www.flags.example.com",
        "https://flags.example.com/",
        "https://FLAGS.example.com",
        "https://flags.example.com.evil.example",
        "https://example.com",
        "",
    ],
)
def test_another_origin_port_scheme_or_subdomain_is_refused(origin: str) -> None:
    lying = passkey(ES256).sign(CHALLENGE, client_data={"origin": origin})
    assert "not at https://flags.example.com" in str(judged(lying))


@pytest.mark.parametrize("members", [{"crossOrigin": True}, {"crossOrigin": None}, {"topOrigin": "https://a.example"}])
def test_an_answer_from_within_another_sites_page_is_refused(members: dict[str, Any]) -> None:
    assert "another site" in str(judged(passkey(ES256).sign(CHALLENGE, client_data=members)))


@pytest.mark.parametrize("kind", ["webauthn.create", "payment.get", None, ["webauthn.get"]])
def test_an_answer_of_another_kind_is_refused(kind: object) -> None:
    assert "not webauthn.get" in str(judged(passkey(ES256).sign(CHALLENGE, client_data={"type": kind})))


@pytest.mark.parametrize(
    ("flags", "said"),
    [(0x01, "did not verify who"), (0x04, "nobody was present"), (0x00, "nobody"), (0x15, "contradict")],
)
def test_an_answer_without_presence_or_verification_of_the_user_is_refused(flags: int, said: str) -> None:
    assert said in str(judged(passkey(ES256).sign(CHALLENGE, flags=flags)))


def test_a_synchronised_passkey_is_accepted() -> None:
    assert judged(passkey(ES256).sign(CHALLENGE, flags=0x1D)) is None


def test_a_key_bound_to_another_host_is_refused() -> None:
    assert "not bound to" in str(judged(passkey(ES256).sign(CHALLENGE, host="example.com")))


@pytest.mark.parametrize("length", [0, 1, 32, 33, 36])
def test_authenticator_data_that_is_cut_short_is_refused_though_signed(length: int) -> None:
    assert "cut short" in str(judged(passkey(ES256).sign(CHALLENGE, length=length)))


def test_authenticator_data_is_of_the_length_that_its_flags_say() -> None:
    key = passkey(ES256)
    assert "length" in str(judged(key.sign(CHALLENGE, extra=b"\xa0")))
    assert "length" in str(judged(key.sign(CHALLENGE, flags=0x85)))
    assert "new key" in str(judged(key.sign(CHALLENGE, flags=0x45, extra=bytes(60))))
    assert judged(key.sign(CHALLENGE, flags=0x85, extra=b"\xa1\x61a\x01")) is None


@pytest.mark.parametrize(
    "client_data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"type":"webauthn.get"}',
        b"[" * 5000,
        b'{"a":1,"a":2}',
        b"{" + b" " * 5000,
    ],
)
def test_client_data_that_is_no_such_object_is_refused(client_data: bytes) -> None:
    assert judged(replace(answered(ES256), client_data=client_data)) is not None
    assert challenge_of(client_data) is None


def test_a_member_that_stands_twice_is_refused() -> None:
    honest = answered(ES256).client_data
    twice = honest[:-1] + b',"origin":"https://flags.example.com"}'
    assert "stands twice" in str(judged(replace(answered(ES256), client_data=twice)))


def test_another_persons_key_is_refused() -> None:
    other = SimulatedPasskey(ES256, seed=7)
    assert judged(answered(ES256), key=parse_key(other.public_key)) == "the signature is not of this key"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bit_of_an_answer_can_be_changed(data: st.DataObject) -> None:
    algorithm = data.draw(st.sampled_from(ALGORITHMS))
    part = data.draw(st.sampled_from(["authenticator_data", "client_data", "signature"]))
    honest = getattr(answered(algorithm), part)
    at, flip = data.draw(st.integers(0, len(honest) - 1)), data.draw(st.integers(1, 255))
    changed = honest[:at] + bytes([honest[at] ^ flip]) + honest[at + 1 :]
    assert judged(replace(answered(algorithm), **{part: changed}), algorithm) is not None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_nothing_can_be_left_out_of_or_added_to_an_answer(data: st.DataObject) -> None:
    algorithm = data.draw(st.sampled_from(ALGORITHMS))
    part = data.draw(st.sampled_from(["authenticator_data", "client_data", "signature"]))
    honest = getattr(answered(algorithm), part)
    changed = data.draw(
        st.one_of(
            st.integers(0, len(honest) - 1).map(lambda at: honest[:at]),
            st.binary(min_size=1, max_size=8).map(lambda more: honest + more),
            st.binary(min_size=1, max_size=8).map(lambda more: more + honest),
        )
    )
    assert judged(replace(answered(algorithm), **{part: changed}), algorithm) is not None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(ALGORITHMS))
def test_rubbish_for_a_signature_is_refused_and_raises_nothing(rubbish: bytes, algorithm: int) -> None:
    assert judged(replace(answered(algorithm), signature=rubbish), algorithm) is not None


def test_the_other_spelling_of_an_ecdsa_signature_verifies_too() -> None:
    assertion = answered(ES256)
    r, s = decode_dss_signature(assertion.signature)
    assert judged(replace(assertion, signature=encode_dss_signature(r, p256.N - s))) is None


def der(*numbers: bytes) -> bytes:
    body = b"".join(b"\x02" + bytes([len(n)]) + n for n in numbers)
    return b"\x30" + bytes([len(body)]) + body


def test_only_one_encoding_of_an_ecdsa_signature_is_accepted() -> None:
    assertion = answered(ES256)
    r, s = (n.to_bytes(33, "big").lstrip(b"\0") for n in decode_dss_signature(assertion.signature))
    shortest = [b"\0" + n if n[0] & 0x80 else n for n in (r, s)]
    assert der(*shortest) == assertion.signature
    good = assertion.signature
    odd = {
        "a zero too many": der(b"\0" + shortest[0], shortest[1]),
        "a negative number": der(bytes([0x80 | r[0]]) + r[1:], shortest[1]),
        "three numbers": der(*shortest, b"\1"),
        "one number": der(shortest[0]),
        "an empty number": der(b"", shortest[1]),
        "bytes after": good + b"\0",
        "the length in the long form": b"\x30\x81" + good[1:],
        "a set": b"\x31" + good[1:],
        "r and s as they are": r.rjust(32, b"\0") + s.rjust(32, b"\0"),
        "zero": der(b"\0", shortest[1]),
        "r beyond the order": der(b"\0" + (p256.N).to_bytes(32, "big"), shortest[1]),
        "s beyond the order": der(shortest[0], b"\0" + (p256.N + 1).to_bytes(32, "big")),
    }
    for what, signature in odd.items():
        assert judged(replace(assertion, signature=signature)) == "the signature is not of this key", what


@settings(max_examples=150, deadline=None)
@given(st.integers(1, p256.N - 1), st.binary(max_size=100), st.integers(0, 3), st.data())
def test_p256_agrees_with_cryptography(secret: int, message: bytes, change: int, data: st.DataObject) -> None:
    private = ec.derive_private_key(secret, ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    if change == 1:
        r = data.draw(st.integers(1, p256.N - 1))
    if change == 2:
        s = data.draw(st.integers(1, p256.N - 1))
    if change == 3:
        message += b"!"
    signature = encode_dss_signature(r, s)
    try:
        private.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
        expected = True
    except InvalidSignature:
        expected = False
    assert p256.verify(public_key=(numbers.x, numbers.y), message=message, signature=signature) is expected


def test_p256_refuses_a_point_that_is_not_on_the_curve() -> None:
    assert not p256.verify(public_key=(5, 5), message=b"", signature=answered(ES256).signature)
    assert not p256.verify(public_key=(0, 0), message=b"", signature=answered(ES256).signature)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_read_in_one_spelling_only(algorithm: int) -> None:
    data = passkey(algorithm).public_key
    assert parse_key(data).algorithm == algorithm
    for wrong in (data + b"\0", data[:-1], data[1:], b"", b"\xbf" + data[1:] + b"\xff"):
        with pytest.raises(PublicKeyError):
            parse_key(wrong)


X, Y = bytes(31) + b"\x05", bytes(32)
MODULUS = b"\xff" * 256
WRONG_KEYS = {
    "another curve": cose_map((1, 2), (3, -7), (-1, 2), (-2, X), (-3, Y)),
    "off the curve": cose_map((1, 2), (3, -7), (-1, 1), (-2, X), (-3, Y)),
    "a compressed point": cose_map((1, 2), (3, -7), (-1, 1), (-2, X), (-3, 1)),
    "ES384": cose_map((1, 2), (3, -35), (-1, 2), (-2, X), (-3, Y)),
    "PS256": cose_map((1, 3), (3, -37), (-1, MODULUS), (-2, b"\1\0\1")),
    "a further member": cose_map((1, 1), (2, b"id"), (3, -8), (-1, 6), (-2, X)),
    "a label twice": cose_map((1, 1), (1, 1), (3, -8), (-1, 6), (-2, X)),
    "X25519": cose_map((1, 1), (3, -8), (-1, 4), (-2, X)),
    "a short point": cose_map((1, 1), (3, -8), (-1, 6), (-2, X[1:])),
    "1024 bits": cose_map((1, 3), (3, -257), (-1, MODULUS[:128]), (-2, b"\1\0\1")),
    "an even modulus": cose_map((1, 3), (3, -257), (-1, MODULUS[:-1] + b"\xfe"), (-2, b"\1\0\1")),
    "the exponent 3": cose_map((1, 3), (3, -257), (-1, MODULUS), (-2, b"\3")),
    "the exponent 1": cose_map((1, 3), (3, -257), (-1, MODULUS), (-2, b"\1")),
    "a leading zero": cose_map((1, 3), (3, -257), (-1, b"\0" + MODULUS), (-2, b"\1\0\1")),
    "no map": b"\x01",
    "a number in two bytes": b"\xa4\x18\x01\x01" + cose_map((3, -8), (-1, 6), (-2, X))[1:],
    "too long": cose_map((1, 3), (3, -257), (-1, b"\xff" * 590), (-2, b"\1\0\1")),
}


@pytest.mark.parametrize("what", WRONG_KEYS)
def test_a_key_that_is_weak_odd_or_of_another_kind_is_refused(what: str) -> None:
    with pytest.raises(PublicKeyError):
        parse_key(WRONG_KEYS[what])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_rubbish_for_a_key_raises_nothing_else(rubbish: bytes) -> None:
    with suppress(PublicKeyError):
        parse_key(rubbish)


def test_an_rsa_signature_of_another_length_or_with_odd_padding_is_refused() -> None:
    key = passkey(RS256)
    assert isinstance(key.private, rsa.RSAPrivateKey)
    assertion = answered(RS256)
    numbers = key.private.private_numbers()
    n, size = numbers.public_numbers.n, 256
    value = int.from_bytes(assertion.signature, "big")
    forged = [
        b"\0" + assertion.signature,
        (value + n).to_bytes(size + 1, "big"),
        secrets.token_bytes(size),
        # Padding that a parser which skips to the digest would take for good (Bleichenbacher's forgery).
        pow(int.from_bytes(b"\0\1\xff\0" + bytes(220) + bytes(32), "big"), numbers.d, n).to_bytes(size, "big"),
    ]
    for signature in forged:
        assert judged(replace(assertion, signature=signature), RS256) == "the signature is not of this key"


@pytest.mark.parametrize("text", ["a", "YQ==", "Y Q", "YR", "+/8", None, 5, "é"])
def test_base64url_has_one_spelling(text: object) -> None:
    with pytest.raises(ValueError, match=r"base64|spelling|character"):
        unb64url(text)
