"""What apps above put beside a flag: open requests, one's own draft. They register; flags know nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import Held
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An open change request or draft that would change a flag in an environment."""

    title: str
    href: str
    state: str


#: (flag key, environment key) -> what waits there, for one project.
Waiting = Mapping[tuple[str, str], Sequence[Pending]]

#: (reader, project key, environment key, flag key) -> the flag as the reader's own draft would leave it, or None.
Drafted = Callable[[Actor, str, str, str], FlagConfig | None]

_sources: list[Callable[[str], Waiting]] = []
_drafts: list[Drafted] = []


def register(source: Callable[[str], Waiting]) -> None:
    """Have ``source(project_key)`` asked for what waits in a project; it costs a page at most two queries."""
    if source not in _sources:
        _sources.append(source)


def waiting(project: str) -> dict[tuple[str, str], list[Pending]]:
    """What waits in a project, by flag and environment."""
    found: dict[tuple[str, str], list[Pending]] = {}
    for source in _sources:
        for place, pending in source(project).items():
            found.setdefault(place, []).extend(pending)
    return found


def register_draft(source: Drafted) -> None:
    """Have ``source`` asked for the reader's own draft wherever an edit goes on from it."""
    if source not in _drafts:
        _drafts.append(source)


def drafted(actor: Actor, *, project: str, environment: str, flag: str) -> FlagConfig | None:
    """The flag's content as the actor's own draft would leave it, or None when no draft of theirs changes it."""
    found = (source(actor, project, environment, flag) for source in _drafts)
    return next((config for config in found if config is not None), None)


_acts: dict[str, str] = {}


def register_acts(acts: Mapping[str, str]) -> None:
    """Offer ``acts`` (key -> words) on many flags at once; the list posts them with the chosen flags to
    ``projects/<project>/bulk``.
    """
    _acts.update(acts)


def acts() -> Mapping[str, str]:
    """What can be done with many flags at once, by key."""
    return dict(_acts)


#: (project, flag, time) -> what to show about propagation in each environment; `publishing/_reach.html` takes it.
Reach = Callable[[str, str, datetime], Mapping[str, object]]

_reach: list[Reach] = []


def register_reach(source: Reach) -> None:
    """Have ``source`` asked how far the last change of a flag has come, for the flag's page."""
    if source not in _reach:
        _reach.append(source)


def reach(project: str, flag: str, *, at: datetime) -> dict[str, object]:
    """What to show about propagation, by environment."""
    found: dict[str, object] = {}
    for source in _reach:
        found |= source(project, flag, at)
    return found


#: (project, flag, what the reader holds, time) -> what stands in the flag's column of each environment: each has a
#: ``template`` that shows its ``value``.
Panels = Callable[[str, str, Held, datetime], Mapping[str, Sequence[object]]]

_panels: list[Panels] = []


def register_panels(source: Panels) -> None:
    """Have ``source`` asked for what to show of a flag besides its content, by environment."""
    if source not in _panels:
        _panels.append(source)


def panels(project: str, flag: str, rights: Held, *, at: datetime) -> dict[str, list[object]]:
    """What to show besides a flag's content, by environment."""
    found: dict[str, list[object]] = {}
    for source in _panels:
        for environment, shown in source(project, flag, rights, at).items():
            found.setdefault(environment, []).extend(shown)
    return found
