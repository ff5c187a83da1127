"""Sample data of the style guide: a small web shop, with the long names and odd cases that break layouts."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.ui import looks

DEVELOPMENT: Final = looks.Environment(key="development", name="Development", colour="teal")
STAGING: Final = looks.Environment(key="staging", name="Staging", colour="amber")
PRODUCTION: Final = looks.Environment(
    key="production", name="Production", colour="crimson", protected=True, note="every change needs 1 approval"
)
ENVIRONMENTS: Final = (DEVELOPMENT, STAGING, PRODUCTION)

ADA: Final = looks.Person(name="Ada Lovelace", detail="ada@example.com")
GRACE: Final = looks.Person(name="Grace Hopper", detail="grace@example.com")
PIPELINE: Final = looks.Person(name="deploy-pipeline", kind="service", detail="service account")
ENSIGN: Final = looks.Person(name="Ensign", kind="system")

LONG_KEY: Final = "checkout.payment-methods.experimental-instant-settlement-for-returning-customers-in-the-nordics-2026"

_Cell = tuple[Literal["on", "off", "none"], int | None]
_FLAGS: Final[tuple[tuple[str, str, tuple[_Cell, _Cell, _Cell], int], ...]] = (
    ("new-checkout", "Release", (("on", 100), ("on", 50), ("on", 10)), 1),
    ("search-ranking-v3", "Experiment", (("on", 100), ("on", 100), ("on", 50)), 0),
    ("payments.kill-switch", "Kill switch", (("on", None), ("on", None), ("on", None)), 0),
    ("dark-mode", "Release", (("on", 100), ("on", 100), ("off", None)), 2),
    (LONG_KEY, "Release", (("on", 100), ("off", None), ("none", None)), 0),
    ("rate-limit-anonymous", "Operational", (("on", 100), ("on", 100), ("on", 100)), 0),
    ("invoice-pdf-renderer", "Release", (("off", None), ("off", None), ("off", None)), 0),
    ("recommendations", "Experiment", (("on", 100), ("on", 25), ("on", 1)), 0),
    ("old-login", "Sunset", (("off", None), ("on", 100), ("on", 99)), 0),
    ("beta-api", "Permission", (("on", None), ("on", None), ("off", None)), 0),
)


def flag_rows(*, now: datetime) -> list[dict[str, Any]]:
    """Rows of a flag list: key, type, a cell per environment, when and by whom it last changed."""
    rows = []
    for index, (key, kind, states, pending) in enumerate(_FLAGS):
        cells = [
            looks.FlagState(state=state, rollout=share, pending=pending if place == 2 else 0)
            for place, (state, share) in enumerate(states)
        ]
        at = now - timedelta(seconds=(7, 240, 5400, 40000, 190000)[index % 5] * (index + 1))
        rows.append({"key": key, "kind": kind, "cells": cells, "at": at, "by": (ADA, GRACE, PIPELINE)[index % 3]})
    return rows


def navigation(*, base: str) -> tuple[looks.NavGroup, ...]:
    """The rooms, all leading to parts of the style guide."""

    def item(label: str, icon: str, part: str, key: str, **more: Any) -> looks.NavItem:
        return looks.NavItem(label=label, icon=icon, href=f"{base}#{part}", shortcut=key, **more)

    work = (
        item("Home", "home", "top", "h"),
        item("Flags", "flag", "tables", "f", current=True),
        item("Requests", "request", "changes", "r", count=3),
        item("Segments", "segment", "strategies", "s"),
        item("Log", "log", "timeline", "l"),
    )
    rest = (
        item("Projects", "project", "states", "p"),
        item("Environments & policies", "environment", "environments", "e"),
        item("People & access", "people", "people", "a"),
        item("Settings", "settings", "forms", "t"),
    )
    return (looks.NavGroup(title="", items=work), looks.NavGroup(title="Administration", items=rest))


def projects(*, base: str) -> tuple[looks.Choice, ...]:
    """Projects for the switcher."""
    return (
        looks.Choice(label="Web shop", href=base, current=True),
        looks.Choice(label="Warehouse", href=base),
        looks.Choice(label="Payments and settlement, Nordics", href=base),
    )


def _strategies() -> tuple[looks.Strategy, ...]:
    return (
        looks.Strategy(
            title="Gradual rollout",
            sentence="half of them, always the same people (userId)",
            rollout=50,
            anchor="strategy-1",
            rules=(
                looks.Rule(field="country", operator="is one of", values=("SE", "NO")),
                looks.Rule(field="appVersion", operator="is at least version", values=("3.12.0",)),
                looks.Rule(
                    field="email", operator="does not end with", values=("@example.org",), negative=True,
                    case_insensitive=True,
                ),
                looks.Rule(
                    field="Returning customers", operator="is in the segment", kind="segment", href="#strategies"
                ),
            ),
            variants=(
                looks.Variant(name="control", weight=500),
                looks.Variant(name="one-page", weight=333, payload='{"steps": 1}'),
                looks.Variant(name="express", weight=167),
            ),
        ),
        looks.Strategy(
            title="Named people",
            sentence="these identifiers, nobody else",
            rules=(looks.Rule(field="userId", operator="is one of", values=("1001", "1002", "1740"), more=38),),
        ),
        looks.Strategy(title="Everybody", sentence="all contexts", rollout=100, enabled=False),
    )  # fmt: skip


def _difference() -> looks.Difference:
    before = {"rollout": 10, "constraints": [{"field": "country", "values": ["SE"]}]}
    after = {"rollout": 50, "constraints": [{"field": "country", "values": ["SE", "NO"]}]}
    return looks.Difference(
        sentences=("Rollout of new-checkout in production goes from 10 % to 50 % of users in SE and NO.",),
        rows=(
            looks.DiffRow(what="Gradual rollout, share", before="10 %", after="50 %"),
            looks.DiffRow(what="Gradual rollout, country is one of", before="SE", after="SE, NO"),
            looks.DiffRow(what="Variant express", after="16.7 %"),
            looks.DiffRow(what="Named people, userId", before="1001, 1002, 1740 and 38 more"),
        ),
        before=before,
        after=after,
    )


def _moments(now: datetime) -> tuple[looks.Moment, ...]:
    def ago(**kwargs: float) -> datetime:
        return now - timedelta(**kwargs)

    return (
        looks.Moment(title="applied the change; revision 418 is published", at=ago(minutes=4), icon="on",
                     tone=looks.Tone.GOOD, person=ENSIGN, href="#timeline", link="Entry 10,482 with its proof"),
        looks.Moment(title="approved it with a passkey", at=ago(minutes=5), icon="fingerprint",
                     tone=looks.Tone.VIOLET, person=GRACE, body="Ran the checkout suite on staging, all green."),
        looks.Moment(title="tried to approve and was refused: the author can't approve", at=ago(minutes=44),
                     icon="blocked", tone=looks.Tone.BAD, person=ADA),
        looks.Moment(title="sent it for review", at=ago(hours=2), icon="request", tone=looks.Tone.INFO, person=ADA),
        looks.Moment(title="ran the same rules on staging for 3 days", at=ago(days=1), icon="shield", person=PIPELINE),
    )  # fmt: skip


def everything(*, now: datetime, base: str) -> dict[str, Any]:
    """The context of the style guide apart from its forms and its list."""
    return {
        "now": now,
        "last_week": now - timedelta(days=6),
        "soon": now + timedelta(hours=3),
        "dev": DEVELOPMENT,
        "staging": STAGING,
        "production": PRODUCTION,
        "environments": ENVIRONMENTS,
        "all_colours": [
            looks.Environment(key=colour, name=colour.capitalize(), colour=colour)
            for colour in looks.ENVIRONMENT_COLOURS
        ],
        "request_states": tuple(looks.REQUEST_STATUSES),
        "people": (ADA, GRACE, PIPELINE, ENSIGN),
        "steps": (
            looks.Crumb(label="Web shop", href=base),
            looks.Crumb(label="Flags", href=f"{base}#tables"),
            looks.Crumb(label="new-checkout"),
        ),
        "tabs": (
            looks.Choice(label="Rules", href=f"{base}#top", current=True),
            looks.Choice(label="Variants", href=f"{base}#strategies", count=3),
            looks.Choice(label="Requests", href=f"{base}#changes", count=1),
            looks.Choice(label="History", href=f"{base}#timeline"),
            looks.Choice(label="References", href=f"{base}#states", count=0),
        ),
        "segments": (
            looks.Choice(label="All", href=f"{base}#states", current=True),
            looks.Choice(label="Waiting for me", href=f"{base}#changes", count=3),
            looks.Choice(label="Mine", href=f"{base}#forms"),
        ),
        "states": (
            looks.FlagState(state="on", rollout=50),
            looks.FlagState(state="on", rollout=1, pending=1),
            looks.FlagState(state="on", note="3 strategies"),
            looks.FlagState(state="off"),
            looks.FlagState(state="none"),
        ),
        "strategies": _strategies(),
        "difference": _difference(),
        "moments": _moments(now),
        "checks": (
            looks.Check(label="1 of 1 approvals", met=True, detail="Grace Hopper, with a passkey"),
            looks.Check(label="Ran on staging for at least 2 days", met=True, detail="3 days, test run 8812"),
            looks.Check(label="Outside the freeze", met=False, detail="Frozen until Monday 06:00 UTC",
                        href=f"{base}#environments", link="Freeze"),
            looks.Check(label="Apply", met=None, detail="by the author or an approver"),
        ),
    }  # fmt: skip
