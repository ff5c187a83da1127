"""Entries of this app."""

from __future__ import annotations

from ensign.control.audit.registry import action

ERASURE_ASKED = action("privacy.erasure_asked", "asked to erase somebody who left")
ERASURE_WITHDRAWN = action("privacy.erasure_withdrawn", "withdrew an erasure")
PERSON_ERASED = action("person.erased", "erased somebody who left")
RULES_CHANGED = action("privacy.rules_changed", "changed how long identities are kept")
EXPORTED = action("privacy.exported", "exported what is held on somebody")
