"""Alerts for tests, raised through the same door as the detectors' own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ensign.control.identity.models import ServiceAccount
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import firing, guarding, raising
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.monitoring.domain.safeguards import Reading, Source
from ensign.control.monitoring.guarding import SafeguardWish

from ensign_testkit.people import add_service

#: Small facts such as the detectors give, by kind.
FACTS: dict[str, dict[str, Any]] = {
    "mass-change": {"flags": 25, "minutes": 10},
    "rare-actor": {"days": 90},
    "policy-change": {"weakened": "yes"},
    "hasty-approval": {"opened": "no", "seconds": 4},
    "fresh-key": {"minutes": 12},
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


def guard_account(owner: str, *, at: datetime) -> str:
    """The id of the service account that acts for the safeguards of tests; made once."""
    known = ServiceAccount.objects.filter(name="guard").values_list("pk", flat=True).first()
    return str(known) if known else add_service("guard", "developer", owner=owner, at=at).id


def guarded(maker: Actor, *, project: str, environment: str, flag: str, at: datetime) -> dict[str, str]:
    """Safeguards of a flag: one that is armed, and one that was told to act."""
    account = guard_account(maker.id, at=at)
    place: dict[str, Any] = {"actor": maker, "at": at, "project": project, "environment": environment}
    query = Source(kind="prometheus", query="sum(rate(checkout_errors_total[1m]))")
    labels = Source(kind="alertmanager", labels={"alertname": "CheckoutErrors"})
    armed = guarding.make(
        key="errors", wish=SafeguardWish(flag=flag, source=query, account=account, threshold="0.05"), **place
    )
    told = guarding.make(
        key="alertmanager", wish=SafeguardWish(flag=flag, source=labels, account=account, act="pause"), **place
    )
    firing.fire(told.safeguard, Reading(), at=at, now=clock.now)
    return {"safeguard": armed.safeguard.id, "fired_safeguard": told.safeguard.id}
