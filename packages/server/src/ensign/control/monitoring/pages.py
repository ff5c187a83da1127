"""Alerts in the words and shapes that the pages show. Pure but for names, which are read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.monitoring.domain.safeguards import Safeguard, Watch
from ensign.control.ui import looks

_TONES = {"high": ("High", "bad", "warning"), "medium": ("Medium", "warn", "warning"), "low": ("Low", "calm", "info")}
_STATES = {
    "open": ("Nobody looks into it yet", "warn", "waiting"),
    "acknowledged": ("Somebody looks into it", "info", "eye"),
    "triaged": ("Judged", "calm", "check"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A word with its tone and icon, as the component takes them."""

    word: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One alert as a row of the list."""

    alert: Alert
    said: str
    look: str
    severity: Badge
    state: Badge
    people: tuple[looks.Person, ...]
    overdue: bool
    mine: bool
    """Whether its reader took part in what it is about."""


def safeguard_state(one: Safeguard, watch: Watch) -> Badge:
    """How a safeguard stands, in a word."""
    if one.status == "ended":
        return Badge(word="Ended", tone="calm", icon="archive")
    if one.status == "fired":
        failed = one.outcome == "failed"
        return Badge(word="Could not act" if failed else "Has acted", tone="bad" if failed else "warn", icon="warning")
    if watch.problem:
        return Badge(word="No data", tone="warn", icon="warning")
    if watch.breaches:
        return Badge(word="Too much, looking again", tone="warn", icon="waiting")
    return Badge(word="Armed", tone="good", icon="shield")


def person(id: str, names: Mapping[str, str]) -> looks.Person:
    """Somebody as the pages show them."""
    kind = {"usr": "person", "svc": "service"}.get(id[:3], "system")
    return looks.Person(
        name=names.get(id, id), kind="person" if kind == "person" else "service" if kind == "service" else "system"
    )


def line(alert: Alert, names: Mapping[str, str], *, reader: str, at: datetime) -> Line:
    """An alert as a row."""
    state = Badge(**dict(zip(("word", "tone", "icon"), _STATES[alert.status], strict=True)))
    if alert.verdict == "unexpected":
        state = Badge(word="Unexpected", tone="bad", icon="warning")
    elif alert.verdict == "expected":
        state = Badge(word="Expected", tone="good", icon="check")
    return Line(
        alert=alert,
        said=said(alert),
        look=KINDS[alert.kind].look,
        severity=Badge(**dict(zip(("word", "tone", "icon"), _TONES[alert.severity], strict=True))),
        state=state,
        people=tuple(person(id, names) for id in alert.caused_by),
        overdue=alert.overdue(at=at),
        mine=reader in alert.caused_by,
    )


def ids(alerts: Sequence[Alert]) -> list[str]:
    """Every id whose name the rows show."""
    return [id for one in alerts for id in (*one.caused_by, one.triaged_by or "", one.acknowledged_by or "") if id]


def said(alert: Alert) -> str:
    """What was seen, in a sentence; the latest occurrence of several."""
    facts = alert.facts
    match alert.kind:
        case "mass-change":
            return f"{facts['flags']} flags within {facts['minutes']} minutes."
        case "rare-actor":
            return f"No change of theirs in a protected environment for {facts['days']} days before."
        case "policy-change":
            if facts.get("joined") == "yes":
                return "Somebody joined a group from which a policy asks for an approval."
            return (
                "It asks for less than before." if facts.get("weakened") == "yes" else "What it asks for is different."
            )
        case "hasty-approval":
            return _hasty(facts)
        case "reciprocal-approvals":
            return (
                f"{facts['percent']} % of the approvals that each got came from the other, {facts['each']} times each."
            )
        case "sign-in-weakened":
            return f"Less is asked for: {facts['members']}."
        case "wide-token":
            lives = f"lives {facts['days']} days" if "days" in facts else "never ends"
            return f"It is narrowed neither in what it may nor in where, and {lives}."
        case "drift":
            return f"{facts['mismatches']} difference{'' if facts['mismatches'] == 1 else 's'}."
        case "fresh-key":
            return f"The key had become one that signs {facts['minutes']} minutes before."
        case "monitoring-changed" if facts.get("source") == "prometheus":
            return "Safeguards ask another Prometheus from now on, or with other credentials."
        case "monitoring-changed":
            return f"Less or later is noticed: {facts['members']}." if "members" in facts else "Not less than before."
        case "safeguard-no-data":
            return f"No number for {facts.get('minutes', '?')} minutes: {facts.get('problem', 'it is not known why')}."
        case "safeguard-fired":
            return "What it would do was so already." if facts.get("outcome") == "already" else "It did what it is for."
        case _:
            return ""


def _hasty(facts: Mapping[str, int | str]) -> str:
    words = []
    if "seconds" in facts:
        words.append(f"{facts['seconds']} seconds after it was put up")
    if facts.get("opened") == "no":
        words.append("without having opened it")
    return f"Approved {' and '.join(words)}."
