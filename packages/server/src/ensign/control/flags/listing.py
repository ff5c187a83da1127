"""The list of flags: filtering and reading it with all environments, in a fixed number of queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from ensign.control.audit.models import Entry
from ensign.control.flags import words
from ensign.control.flags.domain import LIFETIMES, FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel import clock

LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the list is narrowed to. ``on`` and ``off`` are keys of environments; empty members narrow nothing."""

    text: str = ""
    type: str = ""
    tier: str = ""
    owner: str = ""
    tag: str = ""
    on: str = ""
    off: str = ""
    stale: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A flag in one environment. ``rollout`` is the widest share in per cent, None when off or never configured."""

    state: str
    rollout: int | None = None
    strategies: int = 0
    conditions: bool = False


NEVER = Cell(state="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A flag with its state everywhere; ``cells`` by environment key. ``changed_at`` is its newest entry's time."""

    id: str
    version: int
    info: FlagInfo
    cells: Mapping[str, Cell]
    stale: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of the list. ``after`` is the key to go on from, or empty."""

    rows: Sequence[ListRow]
    total: int
    after: str


def stale(info: FlagInfo, *, at: datetime) -> bool:
    """Whether a flag has outlived its expected removal (flags of permanent types without a date never do)."""
    if info.archived or not info.expected_removal_on:
        return False
    return at.date() > date.fromisoformat(info.expected_removal_on)


def lifetime(type: str) -> str:
    """“40 days” or “permanent”."""
    days = LIFETIMES[type]
    return "permanent" if days is None else f"{days} days"


@lru_cache(maxsize=8192)
def cell(content: str) -> Cell:
    """The cell for a stored content (texts that were read before are not parsed again)."""
    return cell_of(FlagConfig.from_state(json.loads(content)))


def cell_of(config: FlagConfig) -> Cell:
    """A content as one cell of the list."""
    live = [s for s in config.strategies if not s.disabled]
    if not config.enabled or (config.strategies and not live):
        return Cell(state="off", strategies=len(live))
    return Cell(
        state="on",
        rollout=words.rollout(config),
        strategies=len(live),
        conditions=any(s.constraints or s.segments or (words.share(s) is None and s.name != "default") for s in live),
    )


def read(filters: Filters, *, at: datetime, project: str | None = None, after: str = "", limit: int = LIMIT) -> Listing:
    """Flags by key; four queries, whatever their number.

    ``after`` is the key of the last flag of the page before. ``total`` counts what the filters leave in all.
    """
    flags = Flag.objects.filter(archived=filters.archived)
    environments = FlagEnvironment.objects.all()
    if project is not None:
        flags, environments = flags.filter(project=project), environments.filter(project=project)
    if filters.type:
        flags = flags.filter(type=filters.type)
    cells: dict[str, dict[str, Cell]] = {}
    newest: dict[str, int] = {}
    for flag, environment, content, seq in environments.values_list("flag", "environment", "content", "ledger_seq"):
        cells.setdefault(flag, {})[environment] = cell(content)
        newest[flag] = max(newest.get(flag, 0), seq)
    found = []
    columns = flags.order_by("key").values_list("pk", "version", "ledger_seq", "content")
    for id, version, seq, content in columns:
        state = json.loads(content)
        state.pop("nonce")
        info = FlagInfo.from_state(state)
        if _matches(info, cells.get(info.key, {}), filters, at=at):
            found.append((id, version, max(seq, newest.get(info.key, 0)), info))
    page = [item for item in found if item[3].key > after][: limit + 1]
    more = len(page) > limit
    page = page[:limit]
    times = _times([seq for _, _, seq, _ in page])
    rows = [
        ListRow(
            id=id,
            version=version,
            info=info,
            cells=cells.get(info.key, {}),
            stale=stale(info, at=at),
            changed_at=times.get(seq, at),
        )
        for id, version, seq, info in page
    ]
    return Listing(rows=rows, total=len(found), after=page[-1][3].key if more else "")


def _matches(info: FlagInfo, cells: Mapping[str, Cell], filters: Filters, *, at: datetime) -> bool:
    text = filters.text.lower()
    return (
        (not text or text in info.key.lower() or text in info.description.lower() or text in info.tags)
        and (not filters.tier or info.tier == filters.tier)
        and (not filters.owner or info.owner == filters.owner)
        and (not filters.tag or filters.tag in info.tags)
        and (not filters.on or cells.get(filters.on, NEVER).state == "on")
        and (not filters.off or cells.get(filters.off, NEVER).state != "on")
        and (not filters.stale or stale(info, at=at))
    )


def _times(seqs: Sequence[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for start in range(0, len(seqs), 500):
        rows = Entry.objects.filter(seq__in=set(seqs[start : start + 500])).values_list("seq", "ts")
        found |= {seq: clock.parse(str(ts)) for seq, ts in rows}
    return found


def tags(project: str) -> list[str]:
    """All tags that flags of a project carry."""
    found: set[str] = set()
    for content in Flag.objects.filter(project=project, archived=False).values_list("content", flat=True):
        if '"tags":[]' not in content:
            found |= set(json.loads(content)["tags"])
    return sorted(found)
