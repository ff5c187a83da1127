"""The applications' instances that a node knows: how they ask, what they were sent, and what they run."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from ensign.delivery.http import Request
from ensign.delivery.intake import storable
from ensign.delivery.published import Revision
from ensign.delivery.query import Query
from ensign.delivery.reach import POLLING
from ensign.delivery.state import Place

EDGE = "ensign-edge"
"""Edges say this as their SDK. They run nothing themselves, and report the instances behind them."""
GRACE = 30.0
"""Seconds after the end of its last stream in which an instance may come back, with the rules that it has."""
MISSED, AT_LEAST, AT_MOST = 4, 60.0, 3600.0
"""So many intervals without a question mean that an instance which polls is gone; the least and most seconds of it."""
NEVER: Revision = (0, 0)


@dataclass(frozen=True, slots=True)
class Who:
    """Which instance asks, by the headers of SDKs; `confirms`: it will say when it runs what a stream brought."""

    id: str
    app: str
    sdk: str
    interval: float
    confirms: bool

    @classmethod
    def of(cls, request: Request) -> Who | None:
        """From a request; None for one that does not say, or comes from an edge."""
        app = storable(unquote(request.header(b"unleash-appname")), limit=200) or "unknown"
        sdk = storable(request.header(b"unleash-sdk")) or "unknown"
        connection = storable(request.header(b"unleash-connection-id"))
        instance = storable(request.header(b"unleash-instanceid"))
        if sdk.startswith(EDGE) or not (connection or instance):
            return None
        interval = request.header(b"unleash-interval")
        return cls(
            connection or f"{instance} {app}",
            app,
            sdk,
            int(interval) / 1000 if interval.isascii() and interval.isdigit() and len(interval) < 12 else 15.0,
            request.header(b"ensign-confirms") == "1",
        )


class Instance:
    """One of them. Times are those of the monotonic clock.

    `owed` is what it will name once it runs what it was `sent`: where the newest publications concern nothing that it
    sees, it is not told of them.
    """

    __slots__ = (
        "app", "asked", "confirms", "environment", "interval", "joined", "key", "mode", "owed", "projects", "running",
        "running_at", "sdk", "seen", "sent", "sent_at", "streams",
    )  # fmt: skip

    def __init__(self, key: tuple[str, str], who: Who | None, query: Query, at: float) -> None:
        self.key = key
        self.app, self.sdk = ("", "") if who is None else (who.app, who.sdk)
        self.interval = 15.0 if who is None else who.interval
        self.environment, self.projects = query.environment, query.projects
        self.mode = POLLING
        self.confirms = False
        self.asked = 0
        self.streams = 0
        self.joined = self.seen = at
        self.running = self.owed = self.sent = NEVER
        self.running_at = self.sent_at = at

    def sees(self, place: Place) -> bool:
        """Whether its rules hold those of `place`."""
        project, environment = place
        return self.environment == environment and (self.projects is None or project in self.projects)

    def told(self, given: Revision | None, newest: Revision, at: float) -> None:
        """A stream sends it `given`, with which it has `newest`; None when nothing differs for it.

        Called for thousands in a row, on the event loop; whoever adds up looks at it later.
        """
        if given is not None:
            self.owed, self.sent, self.sent_at = given, newest, at
            return
        self.sent = max(self.sent, newest)
        if self.running >= self.owed and newest > self.running:
            self.running, self.running_at = newest, at

    def runs(self, revision: Revision, at: float) -> None:
        """It is known to run `revision` since `at`."""
        reached = max(revision, self.sent) if revision >= self.owed > NEVER else revision
        if reached > self.running:
            self.running, self.running_at = reached, at

    def gone(self, at: float) -> bool:
        """Whether it has not been heard of for so long that it has ended."""
        if self.streams:
            return False
        if self.mode == POLLING:
            return at - self.seen > min(AT_MOST, max(AT_LEAST, MISSED * self.interval))
        return at - self.seen > GRACE
