"""Alerts for tests, raised through the same door as the detectors' own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import raising
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.kinds import KINDS

#: Small facts such as the detectors give, by kind.
FACTS: dict[str, dict[str, Any]] = {
    "mass-change": {"flags": 25, "minutes": 10},
    "rare-actor": {"days": 90},
    "policy-change": {"weakened": "yes"},
    "hasty-approval": {"opened": "no", "seconds": 4},
    "reciprocal-approvals": {"percent": 90, "each": 8},
    "sign-in-weakened": {"members": "factor, networks"},
    "wide-token": {"days": 365},
    "drift": {"mismatches": 1},
    "monitoring-changed": {"members": "off"},
    "safeguard-fired": {"outcome": "done"},
    "safeguard-failed": {"outcome": "failed"},
}
#: Kinds that belong to no project.
_ORGANISATION = frozenset({"sign-in-weakened", "wide-token", "drift", "monitoring-changed"})


def a_finding(
    kind: str = "rare-actor",
    *,
    subject: str = "usr_somebody",
    caused_by: tuple[str, ...] = ("usr_somebody",),
    project: str | None = None,
    environment: str | None = None,
    evidence: tuple[int, ...] = (0,),
) -> Found:
    """What a detector of this kind might have found."""
    return Found(
        kind=kind,
        severity=KINDS[kind].severity,
        subject=subject,
        caused_by=frozenset(caused_by),
        evidence=evidence,
        project=project,
        environment=environment,
        facts=FACTS.get(kind, {}),
    )


def an_alert(*, at: datetime, found: Found | None = None, **more: Any) -> Alert:
    """One alert, raised now; ``more`` as for :func:`a_finding`."""
    with write_door():
        return raising.raise_all([found or a_finding(**more)], at=at)[0]


def one_of_each(author: str, approver: str) -> Iterator[Found]:
    """A finding of every kind, in the project ``shop`` where it belongs to one."""
    for kind in KINDS:
        project = None if kind in _ORGANISATION else "shop"
        caused_by = (author, approver) if kind == "reciprocal-approvals" else (author,)
        yield a_finding(
            kind, subject=author, caused_by=caused_by, project=project, environment=project and "production"
        )
