"""Reading the log as somebody: all of it with ``org:ledger:read``, else the entries of projects that they may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ensign_ledger import merkle
from ensign_ledger.checkpoint import parse_checkpoint

from ensign.control.access.decisions import held, require
from ensign.control.access.permissions import Permission
from ensign.control.audit import checkpoints, history
from ensign.control.audit.history import EntryView, Filters
from ensign.control.changes.listing import titles as request_titles
from ensign.control.evidence import changes, words
from ensign.control.identity.queries import names
from ensign.control.incidents.incident_queries import titles as incident_titles
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound

#: How the ids of what has a title, and no name, begin.
_TITLED = frozenset({"crq_", "inc_"})


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, newest first; the names of everybody, and the titles of requests and incidents, in them; and where the
    next page starts (None: no more).
    """

    entries: tuple[EntryView, ...]
    names: dict[str, str]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in the tree of a signed checkpoint (RFC 6962 section 2.1.1); hashes in hex."""

    seq: int
    leaf_hash: str
    size: int
    hashes: tuple[str, ...]
    checkpoint: str


def _visible(actor: Actor, filters: Filters, *, at: datetime) -> Filters:
    """The filters narrowed to what ``actor`` may read.

    :raises Denied: when that is nothing.
    """
    holds = held(actor, at=at)
    if holds.allows(Permission.ORG_LEDGER_READ):
        return filters
    projects = holds.projects(Permission.PROJECT_LEDGER_READ)
    if projects is not None and not projects:
        require(actor, Permission.ORG_LEDGER_READ, at=at)
    if projects is None:
        # May read every project, but not what concerns the organisation: entries that name a project only.
        return replace(filters, projects=frozenset(history.projects()))
    return replace(filters, projects=projects)


def log(actor: Actor, filters: Filters, *, at: datetime, before: int | None = None, limit: int = 50) -> LogPage:
    """One page of the log.

    :raises Denied: when the actor may read none of it.
    """
    found = history.entries(_visible(actor, filters, at=at), before=before, limit=limit + 1)
    page = tuple(found[:limit])
    return LogPage(page, _names(page), page[-1].seq if len(found) > limit else None)


def _names(entries: Sequence[EntryView]) -> dict[str, str]:
    """Id -> name of everybody in the entries, and the titles of requests and incidents in their own projects."""
    asked = changes.people(entries) | words.mentioned(entries)
    projects = {entry.project for entry in entries}
    titles = {**request_titles(asked, projects=projects), **incident_titles(asked, projects=projects)}
    return {**names(id for id in asked if id[:4] not in _TITLED), **titles}


def entry(actor: Actor, seq: int, *, at: datetime) -> LogPage:
    """One entry, as a page of one.

    :raises NotFound: when there is none, or the actor may not know of it.
    """
    visible = _visible(actor, Filters(), at=at)
    found = history.entry(seq)
    if visible.projects is not None and found.project not in visible.projects:
        raise NotFound(f"The log has no entry {seq} that you may read.", remedy="Ask for the role auditor.")
    return LogPage((found,), _names([found]), None)


def proof(actor: Actor, seq: int, *, at: datetime) -> Proof:
    """That entry ``seq`` is in the log, against a checkpoint signed now.

    :raises NotFound: as :func:`entry`.
    """
    found = entry(actor, seq, at=at).entries[0]
    _, note = checkpoints.sign()
    size = parse_checkpoint(note.encode())[0].size
    leaves = list(checkpoints.leaf_hashes(0, size))
    hashes = merkle.inclusion_proof(leaves, seq, size)
    return Proof(seq, found.leaf_hash, size, tuple(h.hex() for h in hashes), note)
