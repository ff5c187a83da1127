"""Projects, environments and tokens as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from ensign.control.projects import queries
from ensign.control.projects.policies import PolicyView, policies
from ensign.control.projects.queries import EnvironmentRow, ProjectRow, TokenRow
from ensign.control.ui import looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment with its policy, as every page of a project shows it."""

    row: EnvironmentRow
    policy: PolicyView
    look: looks.Environment


def environment(row: EnvironmentRow, policy: PolicyView | None = None) -> looks.Environment:
    """The look of an environment; ``policy`` gives the band its note."""
    return looks.Environment(
        key=row.key,
        name=row.name,
        colour=looks.environment_colour(key=row.key, position=row.position, protected=row.protected),
        protected=row.protected,
        note="" if policy is None else _note(policy),
    )


def _note(policy: PolicyView) -> str:
    if policy.approvals:
        least = "at least " if policy.rules.conditional else ""
        return f"changes need {least}{policy.approvals} approval{'s' if policy.approvals > 1 else ''}"
    if policy.protected:
        return f"no approval; compensating control: {policy.compensating_control}"
    return ""


def places(project: str) -> list[Place]:
    """The environments of a project in order, with their policies; two queries more than the list."""
    found = policies(project)
    return [
        Place(row=row, policy=found[row.key], look=environment(row, found[row.key]))
        for row in queries.environments(project)
    ]


def crumbs(project: ProjectRow, *steps: tuple[str, str]) -> list[looks.Crumb]:
    """The way to a page of a project; ``steps`` are (label, address), the last without an address."""
    first = looks.Crumb(label="Projects", href=reverse("projects:list"))
    home = looks.Crumb(label=project.name, href=reverse("projects:detail", kwargs={"project": project.key}))
    if not steps:
        return [first, looks.Crumb(label=project.name)]
    return [first, home, *(looks.Crumb(label=label, href=href) for label, href in steps)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLook:
    """A client token in a list. ``state`` is a word with a tone and an icon."""

    row: TokenRow
    environment: looks.Environment | None
    by: looks.Person
    state: looks.Status
    live: bool
    rotatable: bool
    still_used: bool
    """It has a successor and was used since."""


def tokens(
    rows: Sequence[TokenRow], *, at: datetime, names: dict[str, str], environments: Sequence[Place]
) -> list[TokenLook]:
    """Tokens with the names of who made them."""
    known = {place.row.key: place.look for place in environments}
    return [
        TokenLook(
            row=row,
            environment=known.get(row.environment),
            by=looks.Person(name=names.get(row.created_by, ""), kind="person"),
            state=_state(row, at=at),
            live=row.live(at=at),
            rotatable=row.live(at=at) and row.successor is None,
            still_used=still_used(row.rotated_at, row.last_used_at),
        )
        for row in rows
    ]


def still_used(rotated_at: datetime | None, last_used_at: datetime | None) -> bool:
    """Whether a token was used since it got its successor; uses are known to about ten minutes."""
    return rotated_at is not None and last_used_at is not None and last_used_at > rotated_at


def _state(row: TokenRow, *, at: datetime) -> looks.Status:
    if row.status != "active":
        return looks.Status(word="Revoked", icon="blocked", tone=looks.Tone.BAD)
    if row.expires_at is not None and not row.live(at=at):
        return looks.Status(word="Expired", icon="waiting", tone=looks.Tone.CALM)
    if row.successor is not None:
        return looks.Status(word="Being replaced", icon="waiting", tone=looks.Tone.INFO)
    return looks.Status(word="Active", icon="on", tone=looks.Tone.GOOD)
