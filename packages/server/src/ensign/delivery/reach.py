"""What a node tells about propagation: of each publication, how many instances there were and how many run it.

Counts by application, SDK and mode; no address, no connection id, nothing about people (docs/reference/reach.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ensign.delivery.published import Revision

STREAMING, POLLING = "streaming", "polling"
NOW = 0
"""As a publication's number: no publication, but who is connected at present."""
MAX_GROUPS = 100
OTHER = "(others)"

Slot = tuple[str, str, str, str, int]
"""(node, reporter, project, environment, number)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Instances of one application with one SDK and mode.

    `running` of the `instances` are known to run the revision; `sent` were given it and have not said so (yet).
    `slowest_ms`: after how many milliseconds the last of the `running` had it; None where none is known to.
    """

    app: str
    sdk: str
    mode: str
    instances: int = 0
    running: int = 0
    sent: int = 0
    slowest_ms: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells groups apart."""
        return (self.app, self.sdk, self.mode)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one publication has come among the instances of `node`; each report replaces the one before.

    * `reporter`: the node that says so. A confirmation may arrive at another node than the one that holds the stream;
      that one then reports `running` alone.
    * `number` is `NOW` for who is connected at present; then `running` counts those on the newest rules.
    * `since`: the first publication that this stands for, when several were taken in at once.
    * `began_at`: when the reporter took the publication in, by its clock, which said `said_at` when it reported.
      `times`, pairs of milliseconds (rounded up to two digits) and how many instances took so long, and `slowest_ms`
      count from there.
    * `left`: instances that were there when it was published and ended before they ran it; not among `instances`.
    * `within`: seconds in which all that poll ask again: the longest of their intervals, 0 where none polls.
    * `final`: nothing more is to be expected.
    """

    node: str
    reporter: str
    project: str
    environment: str
    revision: Revision
    since: int
    began_at: datetime
    said_at: datetime
    groups: tuple[Group, ...]
    times: tuple[tuple[int, int], ...] = ()
    slowest_ms: int | None = None
    left: int = 0
    within: int = 0
    final: bool = False

    @property
    def slot(self) -> Slot:
        """What a later report replaces."""
        return (self.node, self.reporter, self.project, self.environment, self.revision[1])

    def heard(self, at: datetime) -> Reach:
        """The same by the clock of the node above, which hears it `at`.

        What the report waited on its way is taken for a difference of the clocks: times may come out longer than they
        were, never shorter.
        """
        return replace(self, began_at=self.began_at + (at - self.said_at), said_at=at)


def rounded(ms: float) -> int:
    """Milliseconds rounded up to two significant digits, so that any number of times has few different values."""
    whole = max(0, int(ms + 0.999))
    if whole < 100:
        return whole
    step: int = 10 ** (len(str(whole)) - 2)
    return -(-whole // step) * step


def bounded(groups: Iterable[Group]) -> tuple[Group, ...]:
    """The groups, the largest first; from `MAX_GROUPS` on they are added up by mode, as names are the clients'."""
    ordered = sorted(groups, key=lambda group: (-group.instances, group.key))
    rest: dict[str, Group] = {}
    for group in ordered[MAX_GROUPS:]:
        held = rest.get(group.mode, Group(OTHER, OTHER, group.mode))
        rest[group.mode] = Group(
            OTHER, OTHER, group.mode,
            held.instances + group.instances, held.running + group.running, held.sent + group.sent,
            max((ms for ms in (held.slowest_ms, group.slowest_ms) if ms is not None), default=None),
        )  # fmt: skip
    return (*ordered[:MAX_GROUPS], *rest.values())
