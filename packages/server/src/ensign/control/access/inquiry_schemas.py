"""What the API answers when asked who can do what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ninja import Schema

from ensign.control.access.as_of import Origin
from ensign.control.access.inquiries import Answer, Differences, Format
from ensign.control.access.schemas import GrantOut, HolderOut
from ensign.control.access.standing import Line
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.identity import queries as identity


class LogOut(Schema):
    """The log that an answer was read from: the Merkle root (hex) over its first ``size`` entries.

    ``derived_from``: ``log`` when the documents of that time were read, ``rows`` for now.
    """

    size: int
    root: str
    derived_from: str


class LineOut(GrantOut):
    """A grant in force and how it reaches its holder: directly, or ``via`` a group (an id).

    ``since``: the later of its start and the joining of the group. ``entry`` is the number of the log's entry that gave
    it, ``approved_by`` and ``request`` what confirmed it, if that took somebody else. Names are today's.
    """

    via: str | None
    via_name: str | None
    granted_by_name: str
    since: datetime
    entry: int | None
    request: str
    approved_by: list[str]
    approved_by_names: list[str]
    sole_granter: bool

    @staticmethod
    def line(line: Line, origin: Origin | None, names: Mapping[str, str]) -> LineOut:
        """From its value; ``names`` as :func:`_names` has them."""
        return LineOut(
            **{**GrantOut.of(line.grant).dict(), "reason": origin.reason if origin else line.grant.reason},
            via=line.via,
            via_name=names[line.via] if line.via else None,
            granted_by_name=names[line.grant.granted_by],
            since=line.since,
            entry=origin.entry if origin else None,
            request=origin.request if origin else "",
            approved_by=list(origin.approved_by) if origin else [],
            approved_by_names=[names[id] for id in origin.approved_by] if origin else [],
            sole_granter=origin.sole if origin else False,
        )


class AbleOut(HolderOut):
    """Somebody who may, and every way in which they may."""

    grants: list[LineOut]  # type: ignore[assignment]  # each is a GrantOut that says more


class WhoCanOut(Page[AbleOut]):
    """Everybody who may, as of ``as_of``. ``unreadable``: objects whose state was redacted and is not counted."""

    as_of: datetime
    log: LogOut
    unreadable: list[str]


class HeldOut(Schema):
    """A role in force and what it confers within its scope."""

    grant: LineOut
    permissions: list[str]


class HoldingsOut(Page[HeldOut]):
    """Every role in force of one subject, as of ``as_of``."""

    subject: str
    name: str
    as_of: datetime
    log: LogOut
    unreadable: list[str]


class DifferenceOut(Schema):
    """A line that was gained, lost or altered, and why in words. ``added`` and ``removed``: of an altered role."""

    change: str
    subject: str
    kind: str
    name: str
    because: str
    added: list[str]
    removed: list[str]
    grant: LineOut


class DifferencesOut(Page[DifferenceOut]):
    """What access differs by between two moments."""

    since: datetime
    until: datetime
    log: LogOut


class AccessExportIn(Input):
    """Which listing: everybody's roles, or those that confer ``permission`` in a place, or those of ``subject``."""

    as_of: str = ""
    permission: str = ""
    project: str | None = None
    environment: str | None = None
    subject: str = ""
    format: Format = "csv"


def log_out(answer: Answer) -> LogOut:
    """What an answer was read from."""
    return LogOut(size=answer.standing.size, root=answer.root, derived_from=answer.standing.source)


def _names(lines: Iterable[Line], origins: Mapping[str, Origin]) -> dict[str, str]:
    """The names of everybody whom these lines name."""
    ids = {id for origin in origins.values() for id in origin.approved_by}
    for line in lines:
        ids |= {line.subject, line.via or "", line.grant.granted_by}
    return identity.names(ids)


def able(answer: Answer) -> list[AbleOut]:
    """Lines by who holds them."""
    names = _names(answer.lines, answer.origins)
    found: dict[str, AbleOut] = {}
    for line in answer.lines:
        holder = found.setdefault(
            line.subject, AbleOut(subject=line.subject, kind=line.kind, name=names[line.subject], grants=[])
        )
        holder.grants.append(LineOut.line(line, answer.origins.get(line.grant.id), names))
    return list(found.values())


def held_out(answer: Answer) -> list[HeldOut]:
    """Lines with where each came from and what it confers."""
    names = _names(answer.lines, answer.origins)
    return [
        HeldOut(
            grant=LineOut.line(line, answer.origins.get(line.grant.id), names),
            permissions=[str(permission) for permission in line.permissions],
        )
        for line in answer.lines
    ]


def differences_out(found: Differences) -> list[DifferenceOut]:
    """Differences with names."""
    names = _names((one.line for one in found.found), found.origins)
    return [
        DifferenceOut(
            change=one.change,
            subject=one.line.subject,
            kind=one.line.kind,
            name=names[one.line.subject],
            because=one.because,
            added=[str(permission) for permission in one.added],
            removed=[str(permission) for permission in one.removed],
            grant=LineOut.line(one.line, found.origins.get(one.line.grant.id), names),
        )
        for one in found.found
    ]
