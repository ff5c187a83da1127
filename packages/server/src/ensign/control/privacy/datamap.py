"""The data map's form: one line for every table of the database and for every other place where data goes.

The lines are no description beside the code: erasures, exports of what is held on somebody, backups and the worker go
by them. A table without a line fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OnErasure = Literal["kept", "removed", "tombstone", "emptied"]
Backup = Literal["clear", "sealed", "left out"]

#: In a tombstone: the id of the person who is erased.
PERSON = "$person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One table.

    ``whose`` is whose personal data it holds, "" for nobody's. ``subject`` is SQL over the table as ``t`` that gives
    the id of the person whom a row is about; ``mentions`` are keys of a governed state that hold the id of somebody
    who acted. ``secret`` columns and keys are never shown to anybody. ``texts`` are keys under which people type
    freely: an erasure takes the person's name and address out of them.

    ``on_erasure`` says what an erasure does to the rows about the person: ``kept`` (ids only), ``removed``,
    ``tombstone`` (a governed state of which only ``state`` is left) or ``emptied`` (``state`` is written over it).
    ``task`` is the worker's task that keeps the promise in ``kept``, where rows end by themselves.
    """

    table: str
    what: str
    whose: str = ""
    purpose: str
    kept: str
    erased: str = ""
    subject: str = ""
    mentions: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    on_erasure: OnErasure = "kept"
    state: Mapping[str, Any] = field(default_factory=dict)
    backup: Backup = "clear"
    task: str = ""

    @property
    def personal(self) -> bool:
        """Whether it holds personal data in clear; a pseudonymous id alone is not counted."""
        return bool(self.whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A place outside the database: a file, a process's memory, the wire, another system."""

    place: str
    where: str
    what: str
    whose: str = ""
    kept: str
    erased: str = ""
