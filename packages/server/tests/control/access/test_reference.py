"""Claim: the documented table of permissions and roles is the one in force."""

from __future__ import annotations

from pathlib import Path

from ensign.control.access.reference import page

DOCUMENT = Path(__file__).parents[5] / "docs" / "reference" / "permissions-and-roles.md"


def test_the_page_says_what_the_code_does() -> None:
    assert DOCUMENT.read_text("utf-8") == page()
