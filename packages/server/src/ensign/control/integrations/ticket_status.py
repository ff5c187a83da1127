"""How far a ticket has come, asked of its system when somebody looks, where credentials are given.

An answer is kept in this process for five minutes, a failure for one. Failing is an answer, too: no page waits for a
ticket system longer than :data:`TIMEOUT`, and none fails with it. Only the status is asked for, no text of a ticket.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ensign.control.changes import tickets
from ensign.control.changes.domain.tickets import System, Ticket
from ensign.control.integrations import sealed
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import EnsignError, Unavailable

TIMEOUT: Final = 3.0
"""Seconds for one ticket; several are asked at once."""
FRESH: Final = timedelta(minutes=5)
FAILED: Final = timedelta(minutes=1)
MOST: Final = 2_000
"""How many answers are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a system said at ``at``: a word of its own, or what kept it from saying one."""

    word: str
    at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A ticket with its status; None where nobody is asked."""

    ticket: Ticket
    status: Status | None = None


_known: dict[tuple[str, str], Status] = {}
_lock = threading.Lock()


def forget() -> None:
    """Ask anew from now on."""
    with _lock:
        _known.clear()


def seen(project: str, references: Sequence[str], *, at: datetime) -> list[Seen]:
    """References with their pages and what their systems say."""
    linked = tickets.linked(project, references)
    asked: dict[tuple[str, str], Callable[[], str]] = {}
    for ticket in linked:
        place = _place(ticket)
        if ticket.system is not None and place is not None and _kept(place, at=at) is None:
            token = _token(ticket.system.ref)
            if token:
                asked[place] = _question(ticket.system, ticket.key, token)
    if asked:
        with ThreadPoolExecutor(max_workers=min(8, len(asked))) as pool:
            found = list(pool.map(_answer, asked.values()))
        with _lock:
            if len(_known) + len(found) > MOST:
                _known.clear()
            for place, (word, problem) in zip(asked, found, strict=True):
                _known[place] = Status(word=word, at=at, problem=problem)
    return [
        Seen(ticket=ticket, status=None if (place := _place(ticket)) is None else _kept(place, at=at))
        for ticket in linked
    ]


def _place(ticket: Ticket) -> tuple[str, str] | None:
    return None if ticket.system is None or not ticket.system.ref else (ticket.system.ref, ticket.key)


def _kept(place: tuple[str, str], *, at: datetime) -> Status | None:
    with _lock:
        found = _known.get(place)
    if found is None or at - found.at >= (FAILED if found.problem else FRESH):
        return None
    return found


def _token(ref: str) -> str:
    """The credentials of a system; "" when there are none, or they cannot be opened: then nobody is asked."""
    try:
        return sealed.reveal(ref, "token") if sealed.has(ref, "token") else ""
    except EnsignError:
        return ""


def _answer(question: Callable[[], str]) -> tuple[str, str]:
    try:
        return question(), ""
    except EnsignError as error:
        return "", error.message
    except TimeoutError:
        return "", "it did not answer in time"
    except OSError:
        return "", "it cannot be reached"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "", "its answer cannot be read"


def _question(system: System, key: str, token: str) -> Callable[[], str]:
    """What asks for the status of one ticket, in a thread that has no database."""
    url, headers, read = _how(system, key, token)

    def ask() -> str:
        answer = fetching.fetch(fetching.guarded(url), headers=headers, timeout=TIMEOUT)
        if answer.status in {401, 403}:
            raise Unavailable("it does not accept the credentials")
        if answer.status == 404:
            raise Unavailable("it knows no such ticket")
        if answer.status != 200:
            raise Unavailable(f"it answered {answer.status}")
        return " ".join(str(read(answer.json())).split())[:60]

    return ask


def _how(system: System, key: str, token: str) -> tuple[str, dict[str, str], Callable[[Any], str]]:
    base, (place, _, number) = system.base_url, key.partition("#")
    bearer = {"Authorization": f"Bearer {token}"}
    basic = {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}
    either = basic if ":" in token else bearer
    match system.kind:
        case "jira":
            return (
                f"{base}/rest/api/2/issue/{quote(key)}?fields=status",
                either,
                lambda v: v["fields"]["status"]["name"],
            )
        case "servicenow":
            query = f"sysparm_query=number={quote(key)}&sysparm_fields=state&sysparm_display_value=true&sysparm_limit=1"
            return f"{base}/api/now/table/task?{query}", either, lambda v: v["result"][0]["state"]
        case "github":
            api = "https://api.github.com" if urlsplit(base).hostname == "github.com" else f"{base}/api/v3"
            accept = {**bearer, "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
            return f"{api}/repos/{quote(place)}/issues/{number}", accept, lambda v: v["state"]
        case "gitlab":
            address = f"{base}/api/v4/projects/{quote(place, safe='')}/issues/{number}"
            return address, {"PRIVATE-TOKEN": token}, lambda v: v["state"]
