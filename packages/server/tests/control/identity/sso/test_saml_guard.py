"""Claims: the guard answers everything with a verdict, in time, and lets no signature code see what it refuses."""

from __future__ import annotations

import base64
import time

import pytest
from ensign.control.identity.sso.saml_guard import Rules, guard
from ensign.control.identity.sso.saml_xml import MAX_BYTES, Refused, decode, parse
from ensign_testkit.saml_forge import DS, SAML, Forge
from ensign_testkit.saml_worlds import ENTITY, signer
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

FORGE = Forge(signer(), ENTITY, "http://localhost:8000/sso/corp")
GOOD = etree.tostring(FORGE.response())


def verdict(raw: bytes, rules: Rules = Rules()) -> str:  # noqa: B008  # frozen
    try:
        guard(base64.b64encode(raw).decode(), rules=rules)
    except Refused as error:
        return error.code
    return "good"


def test_what_an_identity_provider_sends_is_good() -> None:
    assert verdict(GOOD) == "good"
    assert verdict(b'<?xml version="1.0" encoding="UTF-8"?>\n' + GOOD) == "good"
    assert verdict(etree.tostring(FORGE.response(message=False)), Rules(message_signed=False)) == "good"


@given(st.text(max_size=3000))
@settings(max_examples=150, deadline=2000)
def test_any_text_gets_a_verdict(text: str) -> None:
    with pytest.raises(Refused):
        guard(text, rules=Rules())


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=0, max_size=12), st.integers(0, 40))
@settings(max_examples=300, deadline=2000)
def test_any_splice_into_a_good_message_gets_a_verdict(place: int, inserted: bytes, cut: int) -> None:
    verdict(GOOD[:place] + inserted + GOOD[place + cut :])


_ELEMENTS = [element.tag for element in etree.fromstring(GOOD).iter()]


@given(st.integers(0, len(_ELEMENTS) - 1), st.integers(0, len(_ELEMENTS) - 1), st.booleans())
@settings(max_examples=300, deadline=2000)
def test_moving_or_copying_any_element_never_leaves_two_assertions_or_a_wandering_signature(
    source: int, target: int, copied: bool
) -> None:
    root = etree.fromstring(GOOD)
    elements = list(root.iter())
    moved, place = elements[source], elements[target]
    if moved is root or place in list(moved.iter()):
        return
    place.append(etree.fromstring(etree.tostring(moved)) if copied else moved)
    if verdict(etree.tostring(root)) != "good":
        return
    assert len(list(root.iter(f"{{{SAML}}}Assertion"))) == 1
    for signature in root.iter(f"{{{DS}}}Signature"):
        parent = signature.getparent()
        assert parent.tag in {root.tag, f"{{{SAML}}}Assertion"}
        references = list(signature.iter(f"{{{DS}}}Reference"))
        assert [one.get("URI") for one in references] == [f"#{parent.get('ID')}"]


@pytest.mark.parametrize("code", ["<!---->", "<![CDATA[x]]>", "<?php x?>", "<!DOCTYPE x>"])
@pytest.mark.parametrize("path", ["NameID", "AttributeValue", "Audience", "Issuer"])
def test_nothing_splits_a_text(path: str, code: str) -> None:
    mark = f"</saml:{path}>".encode()
    assert mark in GOOD
    assert verdict(GOOD.replace(mark, code.encode() + mark)) == "doctype"


def test_base64_is_strict_and_size_is_judged_before_decoding() -> None:
    assert decode("QUJD\r\nREVG") == b"ABCDEF"
    for text in ("QUJD=", "QU JD", "QUJD-_", "QUJDé"):
        with pytest.raises(Refused):
            decode(text)
    with pytest.raises(Refused) as caught:
        decode("A" * (MAX_BYTES * 2))
    assert caught.value.code == "too_large"


def test_the_worst_that_fits_is_judged_in_a_fraction_of_a_second() -> None:
    bombs = [
        b"<a>" * (MAX_BYTES // 7) + b"</a>" * (MAX_BYTES // 7),
        b"<r>" + b"<a/>" * (MAX_BYTES // 5) + b"</r>",
        b"<r " + b" ".join(b'a%d=""' % n for n in range(MAX_BYTES // 11)) + b"/>",
        b"<r " + b" ".join(b'xmlns:a%d="u"' % n for n in range(MAX_BYTES // 19)) + b"/>",
        b"<r>" + b"&amp;" * (MAX_BYTES // 6) + b"</r>",
    ]
    for bomb in bombs:
        assert len(bomb) <= MAX_BYTES
        began = time.monotonic()
        assert verdict(bomb) != "good"
        assert time.monotonic() - began < 2


def test_comments_are_dropped_where_they_are_allowed_and_document_types_never_are() -> None:
    assert parse(b"<a><!-- x --><?y z?>t</a>", comments=True).text == "t"
    with pytest.raises(Refused):
        parse(b"<!DOCTYPE a><a/>", comments=True)
