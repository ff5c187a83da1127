"""What nodes say about propagation, for tests of what is made of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ensign.delivery.reach import NOW, STREAMING, Group, Reach

NODE = "a1"


def group(
    app: str, instances: int, running: int, *, sent: int = 0, mode: str = STREAMING, sdk: str = "", last: int = 38
) -> Group:
    """Instances of one application; the last of those that run it does so after `last` ms."""
    sdk = sdk or ("ensign-python:0.1.0" if mode == STREAMING else "unleash-go:5")
    return Group(app, sdk, mode, instances, running, sent, last if running else None)


def said(place: tuple[str, str], number: int, *groups: Group, at: datetime, **more: Any) -> Reach:
    """A report about publication `number` of `place`, taken in at `at`. Times are 38 ms for each that runs it."""
    running = sum(one.running for one in groups)
    given: dict[str, Any] = {
        "node": NODE, "reporter": NODE, "since": number, "times": ((38, running),) if running else (),
        "slowest_ms": 38 if running else None, "final": True, **more,
    }  # fmt: skip
    project, environment = place
    return Reach(
        project=project, environment=environment, revision=(1, number), groups=groups, began_at=at, said_at=at, **given
    )  # fmt: skip


def present(place: tuple[str, str], *groups: Group, at: datetime, node: str = NODE) -> Reach:
    """Who is connected."""
    return said(place, NOW, *groups, at=at, node=node, reporter=node, times=(), slowest_ms=None)


def fill(project: str, *, at: datetime) -> None:
    """The last publication of every environment of a project: everywhere in all but production, where some lack it."""
    from ensign.control.audit.models import Entry  # deferred: after the set-up of Django
    from ensign.control.kernel import clock  # deferred: after the set-up of Django
    from ensign.control.publishing import reach_rows  # deferred: after the set-up of Django
    from ensign.control.publishing.models import Revision  # deferred: after the set-up of Django

    reports = []
    rows = Revision.objects.filter(project=project).values_list("number", "environment", "ledger_seq")
    for number, environment, seq in rows:
        published = clock.parse(Entry.objects.get(pk=seq).ts)
        place = (project, environment)
        some = environment == "production"
        groups = (
            group("web-shop", 200, 200), group("checkout-worker", 9, 6 if some else 9, sent=3 if some else 0),
            group("search-index-of-the-warehouse-in-the-north", 5, 0 if some else 5, mode="polling"),
        )  # fmt: skip
        reports += [
            said(
                place,
                number,
                *groups,
                at=published + timedelta(milliseconds=4),
                times=((12, 120), (29, 80), (38, 5)),
                within=15,
            ),
            present(place, *groups, at=at),
        ]
    reach_rows.store(reports, at=at)
