"""The history of signing in, read from the log: how long ago does not matter, as nothing is ever removed from it.

Network address and browser stand beside it as long as they are kept (``identity.traces``), for auditors and
administrators, and for oneself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.history import EntryView, entries
from ensign.control.audit.history import Filters as LogFilters
from ensign.control.audit.ledger import record
from ensign.control.identity import actions, queries, traces
from ensign.control.identity.sso.actions import SESSION_ENDED_BY_PROVIDER
from ensign.control.identity.sso.queries import providers
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

#: Outcome -> the actions of the log that mean it.
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "signed-in": (actions.SIGNED_IN.code,),
        "refused": (actions.SIGN_IN_FAILED.code, actions.SIGN_IN_FAILURES.code, actions.FACTOR_FAILED.code),
        "blocked": (actions.SIGN_IN_BLOCKED.code,),
        "unblocked": (actions.SIGN_IN_UNBLOCKED.code,),
        "proved": (actions.FACTOR_PROVED.code,),
        "ended": (
            actions.SIGNED_OUT.code,
            actions.SESSION_REVOKED.code,
            actions.SESSION_EXPIRED.code,
            actions.SESSIONS_ENDED_FOR.code,
            actions.SESSIONS_RESET.code,
            SESSION_ENDED_BY_PROVIDER.code,
        ),
    }
)
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "signed-in": "Signed in",
        "refused": "Refused",
        "blocked": "Held up after wrong tries",
        "unblocked": "Pause lifted",
        "proved": "Second factor proved again",
        "ended": "Session ended",
    }
)
_BY_ACTION: Final = {code: outcome for outcome, codes in OUTCOMES.items() for code in codes}
#: Export files hold at most so many rows; the filters narrow.
EXPORT_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; empty means any. ``since`` is inclusive, ``until`` exclusive."""

    person: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One event. ``person`` is "" where nobody is known; ``address`` and ``agent`` are "" when not kept any more.

    ``way`` is how (``password``, ``passkey``…) or, of an end, why (``idle``…); ``count`` how many refusals or sessions;
    ``provider`` the name of the identity provider that it concerns; ``why`` the rule by which it was refused.
    """

    seq: int
    at: datetime
    outcome: str
    action: str
    title: str
    person: str
    name: str
    way: str
    count: int
    address: str
    agent: str
    by: str
    provider: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """Events, newest first, and where the next page starts (None: no more)."""

    items: tuple[Login, ...]
    next_before: int | None


def logins(actor: Actor, filters: Filters, *, at: datetime, before: int | None = None, limit: int = 50) -> LoginPage:
    """One page of the history.

    :raises Denied: for other people's without ``org:ledger:read``.
    """
    _require(actor, filters, at=at)
    found = _found(filters, before=before, limit=limit + 1)
    page = found[:limit]
    return LoginPage(items=_opened(page), next_before=page[-1].seq if len(found) > limit else None)


@operation
def export(*, actor: Actor, at: datetime, filters: Filters, form: str) -> str:
    """The whole history that matches, as ``csv`` or ``json``; that it was exported is an entry.

    :raises Denied: as :func:`logins`.
    """
    _require(actor, filters, at=at)
    rows = _opened(_found(filters, before=None, limit=EXPORT_MAX))
    detail: dict[str, Any] = {"entries": len(rows), "format": form}
    if filters.person:
        detail["person"] = filters.person
    record(action=actions.SIGN_INS_EXPORTED, actor=actor, at=at, detail=detail)
    plain = [{**asdict(row), "at": clock.text(row.at)} for row in rows]
    return json.dumps(plain, ensure_ascii=False, indent=1) if form == "json" else _csv(plain)


def _require(actor: Actor, filters: Filters, *, at: datetime) -> None:
    holds = held(actor, at=at)
    if not (filters.person and filters.person == actor.id and holds.refusal is None):
        holds.require(Permission.ORG_LEDGER_READ)


def _found(filters: Filters, *, before: int | None, limit: int) -> list[EntryView]:
    """Matching entries, newest first."""
    codes = OUTCOMES.get(filters.outcome, tuple(_BY_ACTION))
    wanted = LogFilters(since=filters.since, until=filters.until, actions=codes, concerning=filters.person or None)
    return entries(wanted, before=before, limit=limit)


def _opened(found: Sequence[EntryView]) -> tuple[Login, ...]:
    origins = traces.of_entries(entry.seq for entry in found)
    ids = {_person(entry) for entry in found} | {entry.actor["id"] for entry in found}
    names = {**queries.names(ids), **{one.id: one.name for one in providers()}}
    return tuple(_events(found, origins, names))


def _events(
    found: Sequence[EntryView], origins: Mapping[int, traces.Origin], names: Mapping[str, str]
) -> Iterator[Login]:
    for entry in found:
        person, origin = _person(entry), origins.get(entry.seq)
        detail = entry.detail
        yield Login(
            seq=entry.seq,
            at=entry.at,
            outcome=_BY_ACTION[entry.action],
            action=entry.action,
            title=entry.title,
            person=person,
            name=names.get(person, "") if person else "",
            way=str(detail.get("way") or detail.get("limit") or detail.get("because") or ""),
            count=int(detail.get("count") or detail.get("sessions") or 1),
            address=origin.address if origin else "",
            agent=origin.agent if origin else "",
            by="" if entry.actor["id"] in {person, "anonymous"} else names.get(entry.actor["id"], ""),
            provider=names.get(str(detail.get("provider", "")), ""),
            why=str(detail.get("why", "")),
        )


def _person(entry: EntryView) -> str:
    """Whom an event concerns: who acted, or whom the entry names."""
    named = entry.detail.get("person")
    if isinstance(named, str):
        return named
    everybody = entry.action == actions.SESSIONS_RESET.code
    return entry.actor["id"] if entry.actor["kind"] == "person" and not everybody else ""


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    names = tuple(Login.__dataclass_fields__)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    """A spreadsheet must not take what somebody's browser calls itself for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
