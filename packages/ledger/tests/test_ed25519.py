"""The pure verifier accepts what RFC 8032 accepts and refuses every second spelling of a signature."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from ensign_ledger import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

RFC_8032_VECTORS = [  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def oracle(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
    return ed25519.verify(public_key=public_key, message=message, signature=signature)


@pytest.mark.parametrize(("public_key", "message", "signature"), RFC_8032_VECTORS)
def test_the_vectors_of_rfc_8032_verify(public_key: str, message: str, signature: str) -> None:
    assert check(bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature))


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.data())
def test_it_agrees_with_cryptography_on_good_and_changed_signatures(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    signature = private.sign(message)
    assert check(public, message, signature)
    bit = data.draw(st.integers(0, 64 * 8 - 1))
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not check(public, message, bytes(changed))
    assert not oracle(public, message, bytes(changed))
    assert not check(public, message + b"x", signature)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=8), st.binary(min_size=64, max_size=64))
def test_it_never_accepts_what_cryptography_refuses(key: bytes, message: bytes, signature: bytes) -> None:
    if check(key, message, signature):
        assert oracle(key, message, signature)


def test_s_plus_l_is_refused() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + ed25519.L
    assert not check(public, b"m", signature[:32] + s.to_bytes(32, "little"))
    assert check(public, b"m", signature)


def test_keys_of_small_order_and_uncanonical_keys_are_refused() -> None:
    """With such a key (and R = identity, S = 0) one signature would fit many messages."""
    neutral = (1).to_bytes(32, "little")
    forged = neutral + bytes(32)
    small = [
        neutral,
        (ed25519.P - 1).to_bytes(32, "little"),  # order 2
        bytes(32),  # order 4
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),  # order 8
        (ed25519.P + 1).to_bytes(32, "little"),  # the neutral point, y not reduced
        (1 | 1 << 255).to_bytes(32, "little"),  # the neutral point with the sign of "minus zero"
    ]
    for key in small:
        assert not check(key, b"any", forged)


def test_an_uncanonical_r_is_refused() -> None:
    """The neutral point has a second encoding, y = p + 1; a private scalar 0 would make it valid R."""
    private = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    public = private.public_key().public_bytes_raw()
    assert not check(public, b"m", (ed25519.P + 1).to_bytes(32, "little") + bytes(32))


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_are_refused(key: int, signature: int) -> None:
    assert not check(bytes(key), b"", bytes(signature))
