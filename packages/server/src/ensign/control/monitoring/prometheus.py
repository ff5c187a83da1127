"""The installation's Prometheus: which one, with which credentials, and asking it, always through the guard."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.kernel import fetching, outbound
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid
from ensign.control.monitoring import actions, secrets
from ensign.control.monitoring.domain import sources
from ensign.control.monitoring.domain.safeguards import Reading
from ensign.control.monitoring.models import Prometheus

ID: Final = "installation"
Credentials = Literal["none", "bearer", "basic"]
CREDENTIALS: Final[tuple[Credentials, ...]] = ("none", "bearer", "basic")
URL_MAX: Final = 500
#: Seconds for one query, from connecting to the last byte.
TIMEOUT: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Which Prometheus is asked (``url`` empty: none), and with what. ``version`` 0: nobody chose one."""

    url: str = ""
    credentials: Credentials = "none"
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Prometheus with the header that opens it, for one round of checks; never logged."""

    url: str
    authorization: str = ""


def present() -> Present:
    """What is set."""
    row = Prometheus.objects.filter(pk=ID).first()
    if row is None:
        return Present()
    return Present(url=row.state["url"], credentials=row.state["credentials"], version=row.version)


def allowance() -> list[outbound.Network]:
    """Private networks in which a Prometheus may be asked: those that every outgoing call may reach, and
    ``ENSIGN_PROMETHEUS_ALLOW`` for this alone.
    """
    return fetching.allowance() + outbound.networks(os.environ.get("ENSIGN_PROMETHEUS_ALLOW", ""))


def _target(url: str, *, secret: bool) -> outbound.Target:
    """:raises Invalid: for an address that the guard refuses, or over which a secret could be read by others."""
    allow = allowance()
    target = outbound.check(url, allow=allow)
    if secret and target.scheme != "https" and not outbound.within(target.address, allow):
        raise Invalid("The credentials would travel in clear.", remedy="Use https.", fields={"url": "Use https."})
    return target


@operation
def choose(
    *,
    actor: Actor,
    at: datetime,
    url: str,
    credentials: str = "none",
    secret: str = "",
    version: int | None = None,
    reason: str = "",
) -> Present:
    """Choose the Prometheus that safeguards ask; an empty ``url``: none. ``secret`` is a bearer token or
    ``user:password``; left out, the one that is there stays, unless the address or the kind is another.

    :raises Denied: without ``org:settings:manage``; NeedsMfa without a recent second factor.
    :raises Invalid: for an address that is not allowed. :raises Conflict: when ``version`` is no longer in force.
    """
    require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    row = Prometheus.objects.select_for_update().filter(pk=ID).first()
    before = Present() if row is None else present()
    if version is not None and version != before.version:
        raise Conflict("Somebody else chose meanwhile.", remedy="Reload the page.", code="version-conflict")
    url = url.strip().rstrip("/")
    _check(url, credentials)
    kept = url == before.url and credentials == before.credentials
    if credentials != "none" and not secret and not kept:
        raise Invalid("The credentials are missing.", fields={"secret": "Enter them for this address."})
    if credentials == "basic" and secret and ":" not in secret:
        raise Invalid("The credentials are not complete.", fields={"secret": "user:password"})
    if kept and not secret:
        return before
    if credentials == "none" or not url:
        credentials = "none"
        secrets.forget(secrets.PROMETHEUS)
    elif secret:
        secrets.keep(secrets.PROMETHEUS, secret)
    count = 0 if row is None else row.state["secret"]
    state = {"url": url, "credentials": credentials, "secret": count + bool(secret)}
    staged = stage(Prometheus, id=ID, state=state, current=row)
    detail = {"credentials": credentials, "secret_replaced": bool(secret), "chosen": bool(url)}
    record(action=actions.PROMETHEUS_CHOSEN, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return present()


def _check(url: str, credentials: str) -> None:
    if credentials not in CREDENTIALS:
        raise Invalid("There is no such kind.", fields={"credentials": f"Choose one of {', '.join(CREDENTIALS)}."})
    if not url:
        return
    if len(url) > URL_MAX or urlsplit(url).query or urlsplit(url).fragment:
        raise Invalid("This is no address of a Prometheus.", fields={"url": "Such as https://prometheus.example.com"})
    try:
        _target(url, secret=credentials != "none")
    except Invalid as error:
        remedy = "An internal address is allowed by ENSIGN_PROMETHEUS_ALLOW, which who runs the server sets."
        raise Invalid(error.message, remedy=remedy, fields={"url": f"{error.message} {remedy}"}) from error


def server() -> Server | None:
    """What to ask, with its secret opened; None when no Prometheus is chosen.

    :raises Unavailable: when the secret cannot be opened.
    """
    chosen = present()
    if not chosen.url:
        return None
    if chosen.credentials == "none":
        return Server(url=chosen.url)
    secret = secrets.reveal(secrets.PROMETHEUS)
    if chosen.credentials == "basic":
        return Server(url=chosen.url, authorization="Basic " + base64.b64encode(secret.encode()).decode())
    return Server(url=chosen.url, authorization=f"Bearer {secret}")


def ask(server: Server, query: str, *, timeout: float = TIMEOUT) -> Reading:
    """One instant query; whatever goes wrong is no data and says what. Reads no database."""
    url = f"{server.url}/api/v1/query?{urlencode({'query': query, 'timeout': '3s'})}"
    headers = {"Authorization": server.authorization} if server.authorization else {}
    try:
        answer = fetching.fetch(
            _target(url, secret=bool(server.authorization)), headers=headers, timeout=timeout, limit=64 * 1024
        )
        return sources.prometheus(answer.status, answer.json())
    except EnsignError as error:
        return Reading(problem=error.message[:200])
    except TimeoutError:
        return Reading(problem="Prometheus takes too long")
    except OSError:
        return Reading(problem="Prometheus does not answer")
    except ValueError:
        return Reading(problem="what answers is not Prometheus")
