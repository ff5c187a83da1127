"""Claims: names and addresses are found as words of their own, in any case and script, nothing else is taken out."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from ensign.control.audit.ledger import commit_text
from ensign.control.audit.models import Document
from ensign.control.kernel.transactions import write_door
from ensign.control.privacy.domain import Needles, months_later
from ensign.control.privacy.effects import _naming

EWA = Needles.of(emails=["ewa.z@example.com", ""], names=["Ewa Zielińska", "Ewa", ""])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Ask Ewa Zielińska.", "Ask [erased]."),
        ("EWA ZIELIŃSKA, ewa zielińska", "[erased], [erased]"),
        ("mailto:Ewa.Z@Example.com!", "mailto:[erased]!"),
        ("Ewa asked", "Ewa asked"),
        ("Ewa Zielińskaja", "Ewa Zielińskaja"),
        ("drewa.z@example.com", "drewa.z@example.com"),
        ("ewa.z@example.community", "ewa.z@example.community"),
        ("ewa.z@example.com.au", "ewa.z@example.com.au"),
        ("ewa.z@example.com-x", "ewa.z@example.com-x"),
        ("", ""),
    ],
)
def test_what_is_taken_out(text: str, left: str) -> None:
    assert EWA.taken_out(text) == left
    assert EWA.found_in(text) is (left != text)


def test_a_name_of_one_word_is_not_searched_for() -> None:
    assert Needles.of(emails=[], names=["Will", "  "]).words == ()


@pytest.mark.parametrize(
    "name", ["Ewa Zielińska", "李 雷", "Ólafur Þór", 'Ann "Ace" Ames', "Back\\slash Smith", "Ñandú Ñíguez", "% _"]
)
def test_documents_are_found_whatever_script_the_name_is_in(db: str, name: str) -> None:
    other = name.upper() if name.upper() != name else name
    with write_door():
        wanted = {commit_text(f"{given} was here")["commit"] for given in (name, other)}
        wanted.add(commit_text(unicodedata.normalize("NFD", f"by {name}"))["commit"])
        commit_text("nobody was here")
    assert _naming(Needles.of(emails=[], names=[name])) == wanted
    assert Document.objects.count() > len(wanted)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2024, 1, 31), 1, (2024, 2, 29)),
        ((2026, 11, 25), 24, (2028, 11, 25)),
        ((2026, 12, 31), 0, (2026, 12, 31)),
        ((2026, 8, 31), 1, (2026, 9, 30)),
    ],
)
def test_months_end_on_days_that_there_are(start: tuple[int, int, int], months: int, end: tuple[int, int, int]) -> None:
    assert months_later(datetime(*start, 10, tzinfo=UTC), months) == datetime(*end, 10, tzinfo=UTC)
