"""Counts of evaluations for the demo's last days, as SDKs would have reported them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.flags import queries
from ensign.control.projects import token_uses
from ensign.control.projects.models import ClientToken
from ensign.control.publishing import usage
from ensign.demo import cast
from ensign.demo.company import Company

DAYS = 7
APPLICATIONS = {
    "checkout": (("shop-web", "ensign-python:0.1.0", 12), ("payments-api", "unleash-client-node:6.6.0", 6)),
    "payouts": (("payout-worker", "ensign-python:0.1.0", 4), ("merchant-dashboard", "unleash-client-java:11.0.0", 3)),
    "mobile": (("mobile-bff", "ensign-python:0.1.0", 5),),
    "issuing": (("card-service", "ensign-python:0.1.0", 3),),
}


@dataclass(frozen=True, slots=True)
class _Key:
    project: str
    environment: str
    flag: str
    app_name: str
    hour: datetime
    variant: str
    known: bool


@dataclass(frozen=True, slots=True)
class _Count:
    key: _Key
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class _Seen:
    project: str
    environment: str
    app_name: str
    sdk: str
    instances: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class _Batch:
    counts: tuple[_Count, ...]
    applications: tuple[_Seen, ...]


def fill(company: Company, *, rng: random.Random, now: datetime) -> None:
    """Store a week of counts per flag that is on, and the applications that reported them."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    counts, seen = [], []
    for place in (*cast.PROJECTS, cast.REGULATED):
        for app, sdk, instances in APPLICATIONS[place.key]:
            for environment, share in (("staging", 1), ("production", instances)):
                seen.append(_Seen(place.key, environment, app, sdk, share, now - timedelta(seconds=rng.randrange(50))))
        for environment, busy in (("staging", 40), ("production", 4_000)):
            for row in queries.configs(place.key, environment):
                app = rng.choice(APPLICATIONS[place.key])[0]
                on = row.config.enabled and bool(row.config.strategies)
                rollout = int(row.config.strategies[0].parameters.get("rollout", "100")) if on else 0
                for hours in range(0, DAYS * 24, 3):
                    hour = this_hour - timedelta(hours=hours)
                    asked = int(busy * (0.3 + rng.random()) * (1.6 if 7 <= hour.hour <= 21 else 0.4))
                    yes = asked * rollout // 100
                    key = _Key(place.key, environment, row.flag, app, hour, "", known=True)
                    counts.append(_Count(key, yes, asked - yes))
    usage.store(_Batch(tuple(counts), tuple(seen)))
    _tokens(company, now=now)


def _tokens(company: Company, *, now: datetime) -> None:
    """Those who report use a token: one that nobody uses is a finding."""
    token_uses.store({row.token_hash: now for row in ClientToken.objects.filter(status="active")})
    for key in ("ci", "guard"):  # the others ended with the year
        company.service(key, at=now)
