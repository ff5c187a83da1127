"""The canonical profile equals RFC 8785 on its domain and refuses everything outside it."""

import enum
import json
import types
import unittest.mock
from typing import Any

import pytest
import rfc8785
from ensign_ledger import canonical
from ensign_ledger.canonical import MAX_DEPTH, MAX_INT, CanonicalError, decode, encode
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | TEXT
PLAIN_KEYS = st.text(st.sampled_from("abcxyz019_"), min_size=1, max_size=8)


def values(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


@given(values(PLAIN_KEYS))
def test_the_profile_equals_rfc_8785(value: Any) -> None:
    data = encode(value)
    assert data == rfc8785.dumps(value)
    assert decode(data) == value


@given(values(TEXT))
def test_free_keys_equal_rfc_8785_also_above_the_basic_plane(value: Any) -> None:
    data = encode(value, free_keys=True)
    assert data == rfc8785.dumps(value)
    assert decode(data, free_keys=True) == value


def test_free_keys_sort_by_utf_16_code_units() -> None:
    # U+1F600 is D83D DE00 in UTF-16, before U+FB33; by code point it would come after.
    assert encode({"\ufb33": 1, "\U0001f600": 2}, free_keys=True) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_free_keys_are_sorted_at_every_level() -> None:
    assert encode([{"b": {"d": 1, "c": 2}, "a": 0}], free_keys=True) == b'[{"a":0,"b":{"c":2,"d":1}}]'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (1.0, "$"),
        ({"a": [0, float("nan")]}, "$.a[1]"),
        ({"a": {"b": MAX_INT + 1}}, "$.a.b"),
        ({"a": -MAX_INT - 1}, "$.a"),
        ({"a": "\ud800"}, "$.a"),
        ({"a": "x\0"}, "$.a"),
        ({"A": 1}, "$"),
        ({"": 1}, "$"),
        ({"a": {"b-c": 1}}, "$.a"),
        ({"a\n": 1}, "$"),
        ({1: 1}, "$"),
        ({"a": b"x"}, "$.a"),
        ({"a": {1, 2}}, "$.a"),
    ],
)
def test_what_is_outside_the_profile_is_refused_by_path(value: Any, path: str) -> None:
    with pytest.raises(CanonicalError) as error:
        encode(value)
    assert error.value.path == path
    assert str(error.value).startswith(f"{path}: ")


def test_free_keys_still_refuse_what_no_key_may_hold() -> None:
    for key in ("\ud800", "a\0b"):
        with pytest.raises(CanonicalError):
            encode({key: 1}, free_keys=True)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u000A"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0000"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        b"",
        b"nul",
    ],
)
def test_only_the_canonical_bytes_are_read(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        decode(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_either_canonical_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except CanonicalError:
        return
    assert encode(value) == data


def test_nesting_is_limited_where_it_says() -> None:
    nested: Any = 1
    for _ in range(MAX_DEPTH):
        nested = [nested]
    assert decode(encode(nested)) == nested
    with pytest.raises(CanonicalError, match="nested"):
        encode([nested])


def test_mappings_tuples_and_enumerations_are_written_as_plain_json() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        ONE = 1

    value = types.MappingProxyType({"b": (Colour.RED, Level.ONE), "a": True})
    assert encode(value) == b'{"a":true,"b":["red",1]}'
    assert json.loads(encode(value)) == {"a": True, "b": ["red", 1]}


@given(st.lists(values(PLAIN_KEYS).map(encode), min_size=1, max_size=3), st.data())
def test_what_was_decoded_before_changes_no_verdict(texts: list[bytes], data: st.DataObject) -> None:
    """Shapes that were seen spare encoding again; a text that merely resembles one is judged as on the first day."""
    for text in texts:
        decode(text)
        place = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(place, min(len(text), place + 3)))
        near = text[:place] + data.draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + text[end:]
        assert verdict(near) == verdict_of_a_new_process(near)


PIECES = [
    b"-",
    b"0",
    b"-0",
    b"00",
    b"1.0",
    b"1e2",
    b" ",
    b'"',
    b"\\",
    b"\\u0061",
    b'"a":1,',
    b"9" * 17,
    "\u0663".encode(),
    b"\xff",
]


def verdict(data: bytes) -> Any:
    try:
        return decode(data)
    except CanonicalError:
        return CanonicalError


def verdict_of_a_new_process(data: bytes) -> Any:
    with unittest.mock.patch.dict(canonical._Shape._known, clear=True):
        return verdict(data)


@pytest.mark.parametrize(
    ("known", "near"),
    [
        (b'{"a":-5}', b'{"a":-0}'),
        (b'{"a":5}', b'{"a":9007199254740992}'),
        (b'{"a":5}', b'{"A":5}'),
        (b'{"a":5,"b":1}', b'{"b":5,"a":1}'),
        (b'{"a":5,"b":1}', b'{"a":5,"a":1}'),
        (b'{"a":"x"}', b'{"a":"\\u0078"}'),
        (b'{"a":"x"}', b'{"a":"\x00"}'),
        (b'{"a":"x"}', b'{"a" :"x"}'),
        (b'{"a":"b"}', b'{"a":"b","":"b"}'),
    ],
)
def test_a_known_shape_admits_nothing_else(known: bytes, near: bytes) -> None:
    decode(known)
    assert decode(known) == json.loads(known)
    assert verdict(near) is CanonicalError


def test_the_memory_of_shapes_is_bounded() -> None:
    for number in range(3 * canonical._Shape._LARGEST):
        decode(b'{"a":[' + b",".join([b"1"] * (number % 2000)) + b"]}")
        assert len(canonical._Shape._known) <= canonical._Shape._LARGEST
