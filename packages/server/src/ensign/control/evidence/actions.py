"""Entries of this app."""

from __future__ import annotations

from ensign.control.audit.registry import action

CHANGES_EXPORTED = action("changes.exported", "exported changes")
