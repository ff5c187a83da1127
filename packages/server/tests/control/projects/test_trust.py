"""Claim: only ``changes`` makes the proof of an approval, so that nothing else can stage what applications see."""

from __future__ import annotations

import ast
from pathlib import Path

import ensign

SOURCE = Path(ensign.__file__).parent


def makers(name: str) -> set[str]:
    """The modules of Ensign that call ``name``, as paths within the source."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called == name:
                    found.add(path.relative_to(SOURCE).as_posix())
    return found


def test_only_changes_makes_an_approved_change() -> None:
    found = makers("ApprovedChange")
    assert found, "the search finds the makers at all"
    assert all(path.startswith("control/changes/") for path in found), found


def test_only_changes_stages_what_applications_see() -> None:
    staging = makers("stage_config") | makers("stage_info") | makers("stage_policy") | makers("stage_protection")
    assert staging
    assert all(path.startswith("control/changes/") for path in staging), staging
