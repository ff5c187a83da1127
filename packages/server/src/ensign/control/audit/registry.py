"""Which actions stand in the ledger, and which tables it does not govern (and why)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.apps import apps

from ensign.control.audit.models import Governed

_FORM = re.compile(r"[a-z_]+(\.[a-z_]+)+\Z")


@dataclass(frozen=True, slots=True)
class Action:
    """A kind of entry. ``code`` is frozen and never reused; ``title`` reads as "<who> <title>" in the log."""

    code: str
    title: str


_actions: dict[str, Action] = {}
_exempt: dict[str, str] = {}
_insert_only: dict[str, str] = {}


def action(code: str, title: str) -> Action:
    """Register an action, e.g. ``action("flag.created", "created the flag")``.

    :raises ValueError: when ``code`` is malformed or taken.
    """
    if not _FORM.match(code):
        raise ValueError(f"malformed action code: {code}")
    if code in _actions:
        raise ValueError(f"the action {code} is registered twice")
    _actions[code] = registered = Action(code, title)
    return registered


def actions() -> Mapping[str, Action]:
    """All registered actions by code."""
    return MappingProxyType(_actions)


def exempt(table: str, reason: str) -> None:
    """Declare that ``table`` is outside the ledger, with the reason that an auditor will read."""
    if table in _exempt or table in _insert_only:
        raise ValueError(f"{table} is declared twice")
    _exempt[table] = reason


def insert_only(table: str, reason: str) -> None:
    """Declare that rows of ``table`` are only ever added; the database refuses all else."""
    if table in _exempt or table in _insert_only:
        raise ValueError(f"{table} is declared twice")
    _insert_only[table] = reason


def exempt_tables() -> Mapping[str, str]:
    """Table -> why the ledger does not govern it."""
    return MappingProxyType(_exempt)


def insert_only_tables() -> Mapping[str, str]:
    """Table -> why it is insert-only."""
    return MappingProxyType(_insert_only)


def governed_models() -> dict[str, type[Governed]]:
    """Object type -> model, of every installed governed model, in a stable order.

    :raises ValueError: when two models claim one object type.
    """
    found: dict[str, type[Governed]] = {}
    for model in apps.get_models():
        if issubclass(model, Governed):
            if model.object_type in found:
                raise ValueError(f"two models are governed as {model.object_type}")
            found[model.object_type] = model
    return dict(sorted(found.items()))


exempt(
    "django_migrations",
    "Django's record of applied schema migrations; each run is also an entry (schema.migrated)",
)
exempt(
    "ledger_head",
    "the ledger's own head; guarded by its own triggers and re-derived by `ensign ledger verify`",
)
exempt("ledger_pending", "empty between transactions: a row left over makes the commit fail")
exempt("ledger_never", "always empty by construction")
exempt(
    "ledger_document",
    "openings of digests in the ledger; inserted with a matching digest, redacted only by an entry",
)
insert_only("ledger_entry", "the entries")
insert_only("ledger_touch", "derived from the entries by a trigger")
insert_only("ledger_redaction", "derived from the entries by a trigger")
insert_only("ledger_checkpoint", "signed checkpoints")
