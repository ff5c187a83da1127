"""Claims: one write door: nothing but changes makes the proof that a change was approved, or uses targeting."""

from __future__ import annotations

import re
from pathlib import Path

import ensign.control
from ensign.control.changes.domain import algebra as algebra  # registers every operation
from ensign.control.changes.domain.base import operation_types

ROOT = Path(ensign.control.__file__).parent


def users_of(pattern: str) -> set[str]:
    """The apps whose code matches ``pattern``."""
    found = set()
    for path in ROOT.rglob("*.py"):
        if re.search(pattern, path.read_text("utf-8")):
            found.add(path.relative_to(ROOT).parts[0])
    return found


def test_only_changes_makes_an_approved_change() -> None:
    assert users_of(r"\bApprovedChange\(") == {"changes"}


def test_only_changes_imports_targeting() -> None:
    assert users_of(r"(from|import) ensign\.control\.(flags|segments|projects)(\.targeting| import targeting)") == {
        "changes"
    }


def test_the_reference_names_every_operation() -> None:
    text = next(parent / "docs/reference/operations.md" for parent in ROOT.parents if (parent / "docs").is_dir())
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", text.read_text("utf-8"), re.M)) == set(operation_types())


def test_only_the_lifecycle_makes_a_request_applied() -> None:
    # A query asks for them: `filter(…, status="applied")`.
    makers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "changes").rglob("*.py")
        if 'status="applied"' in re.sub(r"filter\([^()]*", "", path.read_text("utf-8"))
    ]
    assert makers == ["changes/domain/lifecycle.py"]
