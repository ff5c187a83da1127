"""What an alert can be about. Pure; codes are frozen and never reused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["high", "medium", "low"]

#: Most pressing first.
SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of alert: its ``title`` in a list, what whoever triages looks at (``look``), and how pressing it is
    unless a detector says otherwise. ``optional``: the installation may switch its detector off.
    """

    code: str
    title: str
    look: str
    severity: Severity
    optional: bool = True


_ALL: Final = (
    Kind(
        code="off-hours",
        title="Production changed outside working hours",
        look="Ask its author why it could not wait, and whether they were at their keyboard.",
        severity="low",
    ),
    Kind(
        code="mass-change",
        title="Many flags changed at once",
        look="See whether the changes belong together, as an import or a clean-up does.",
        severity="medium",
    ),
    Kind(
        code="rare-actor",
        title="Somebody rarely seen changed production",
        look="Make sure that it was them, and that they still need the role.",
        severity="low",
    ),
    Kind(
        code="policy-change",
        title="A policy or a protection was changed",
        look="Compare what is asked of changes now with what was asked before.",
        severity="medium",
    ),
    Kind(
        code="hasty-approval",
        title="Approved without having looked",
        look="Review the change as if nobody had, and talk to who approved it.",
        severity="high",
    ),
    Kind(
        code="fresh-key",
        title="Approved with a key made just before",
        look="Ask its owner in person whether the passkey is theirs; if not, end it and review what it signed.",
        severity="medium",
    ),
    Kind(
        code="reciprocal-approvals",
        title="Two people approve each other",
        look="Read some of their changes, and let others review for a while.",
        severity="medium",
    ),
    Kind(
        code="break-glass",
        title="Break-glass was used",
        look="Hold what was done against the incident that it was for.",
        severity="high",
        optional=False,
    ),
    Kind(
        code="sign-in-weakened",
        title="Protections of signing in were taken away",
        look="Make sure that it was meant, for how long, and who decided it.",
        severity="high",
        optional=False,
    ),
    Kind(
        code="wide-token",
        title="A token of wide scope was made",
        look="Narrow it to what it is for, or let it end sooner.",
        severity="medium",
    ),
    Kind(
        code="drift",
        title="The database differs from the log",
        look="Run `ensign ledger verify`: it names every difference. Keep a copy of the database as it is.",
        severity="high",
        optional=False,
    ),
    Kind(
        code="monitoring-changed",
        title="What is watched was changed",
        look="See which detector was switched off or made duller, and why.",
        severity="medium",
        optional=False,
    ),
    Kind(
        code="safeguard-fired",
        title="A safeguard acted",
        look="Find out what the metric saw; the safeguard watches again once somebody arms it.",
        severity="medium",
        optional=False,
    ),
    Kind(
        code="safeguard-failed",
        title="A safeguard could not act",
        look="Switch the flag off by hand if it must be off, then see what the safeguard lacks.",
        severity="high",
        optional=False,
    ),
    Kind(
        code="safeguard-no-data",
        title="A safeguard sees no data",
        look="Until its metric is back it guards nothing: see whether the query or the exporter is broken.",
        severity="medium",
        optional=False,
    ),
)

#: All kinds by code.
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.code: kind for kind in _ALL})
