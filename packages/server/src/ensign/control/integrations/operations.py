"""Making and changing integrations. All of it needs the right to manage them: in the organisation or in the project.

Secrets are given back once, when they are made; afterwards nobody reads them again, Ensign alone uses them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ensign.control.access.decisions import require
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes.domain.tickets import check_base
from ensign.control.integrations import actions, registry, sealed
from ensign.control.integrations.domain import signing
from ensign.control.integrations.domain.messages import TEST
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.models import Delivery, Integration
from ensign.control.integrations.registry import OUTGOING, View
from ensign.control.kernel import clock, fetching
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import new_id
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text

MAX: Final = 100
"""How many integrations an installation has at most: each happening is held against all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants an integration to be. ``url`` is where messages go (empty on a change: as before);
    ``token`` reads the status of tickets (``user:token`` or a token; None: as before, empty: none).
    """

    name: str
    topics: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    url: str = ""
    base_url: str = ""
    prefixes: tuple[str, ...] = ()
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An integration, with the secret that is shown this once (of a webhook), else empty."""

    integration: View
    secret: str = ""


def require_managing(actor: Actor, project: str | None, *, at: datetime) -> None:
    """
    :raises Denied: without the right to manage integrations there. :raises NeedsMfa: without a recent second factor.
    """
    if project is None:
        require(actor, Permission.ORG_INTEGRATIONS_MANAGE, ORGANISATION, at=at)
    else:
        require(actor, Permission.PROJECT_INTEGRATIONS_MANAGE, Scope(project), at=at)


@operation
def make(*, actor: Actor, at: datetime, kind: str, project: str | None, wish: Wish) -> Made:
    """Connect a receiver of messages, or a ticket system.

    :raises Denied: without the right. :raises Invalid: naming the field. :raises Conflict: when there are very many.
    """
    require_managing(actor, project, at=at)
    if kind not in registry.KINDS:
        raise Invalid("There is no such kind.", fields={"kind": f"Choose one of {', '.join(registry.KINDS)}."})
    if project is not None:
        projects.project(project)
    if Integration.objects.exclude(status="deleted").count() >= MAX:
        raise Conflict(f"There are {MAX} integrations already.", remedy="Archive those that nobody needs.")
    said = _said(kind, project, wish, new=True)
    state = {
        **said,
        "kind": kind,
        "project": project,
        "status": "active",
        "why": "",
        "secret_version": 1,
        "rotated_at": None,
        "made_by": actor.id,
        "made_at": clock.text(at),
        "changed_by": actor.id,
    }
    id = new_id("int", at=at)
    secret = signing.secret_of(secrets.token_bytes(signing.LENGTH)) if kind == "webhook" else ""
    _write(id, None, state, action=actions.MADE, actor=actor, at=at)
    if wish.url:
        sealed.keep(id, "url", wish.url.strip())
    if secret:
        sealed.keep(id, "secret", secret)
    if wish.token:
        sealed.keep(id, "token", _token(wish.token))
    return Made(integration=registry.integration(id), secret=secret)


@operation
def change(*, actor: Actor, at: datetime, id: str, wish: Wish, expected_version: int | None = None) -> View:
    """Change what an integration says; kind and project stay.

    :raises Denied: without the right. :raises Invalid: naming the field. :raises Conflict: when it was archived.
    """
    row, state = _locked(id, actor, at=at, expected_version=expected_version)
    said = _said(state["kind"], state["project"], wish, new=False)
    if not said["host"]:
        said["host"] = state["host"]
    replaced = bool(wish.url) or wish.token is not None
    after = {**state, **said, "secret_version": state["secret_version"] + replaced}
    if after != state:
        _write(id, row, {**after, "changed_by": actor.id}, action=actions.CHANGED, actor=actor, at=at)
    if wish.url:
        sealed.keep(id, "url", wish.url.strip())
    if wish.token:
        sealed.keep(id, "token", _token(wish.token))
    elif wish.token is not None:
        sealed.forget(id, "token")
    return registry.integration(id)


@operation
def rotate(*, actor: Actor, at: datetime, id: str) -> Made:
    """Give a webhook another secret; for 24 hours the one before signs, too.

    :raises Denied: without the right. :raises Conflict: when it is no webhook.
    """
    row, state = _locked(id, actor, at=at)
    if state["kind"] != "webhook":
        raise Conflict("Only a webhook has a secret that signs.", remedy="Replace its address instead.")
    secret = signing.secret_of(secrets.token_bytes(signing.LENGTH))
    sealed.keep(id, "previous", sealed.reveal(id, "secret"))
    sealed.keep(id, "secret", secret)
    after = {**state, "secret_version": state["secret_version"] + 1, "rotated_at": clock.text(at)}
    _write(id, row, {**after, "changed_by": actor.id}, action=actions.CHANGED, actor=actor, at=at)
    return Made(integration=registry.integration(id), secret=secret)


@operation
def disable(*, actor: Actor, at: datetime, id: str) -> View:
    """Send nothing there any more; what waits is dropped when it is due.

    :raises Denied: without the right. :raises Conflict: when it is switched off already.
    """
    row, state = _locked(id, actor, at=at)
    if state["status"] != "active":
        raise Conflict("This integration is switched off already.")
    after = {**state, "status": "disabled", "why": "by hand", "changed_by": actor.id}
    _write(id, row, after, action=actions.DISABLED, actor=actor, at=at)
    return registry.integration(id)


@operation
def enable(*, actor: Actor, at: datetime, id: str) -> View:
    """Use it again.

    :raises Denied: without the right. :raises Conflict: when it is in use.
    """
    row, state = _locked(id, actor, at=at)
    if state["status"] != "disabled":
        raise Conflict("This integration is in use already.")
    after = {**state, "status": "active", "why": "", "changed_by": actor.id}
    _write(id, row, after, action=actions.ENABLED, actor=actor, at=at)
    return registry.integration(id)


@operation
def delete(*, actor: Actor, at: datetime, id: str) -> View:
    """Archive it for good: its secrets are dropped; that it was there stays in the log.

    :raises Denied: without the right.
    """
    row, state = _locked(id, actor, at=at)
    after = {**state, "status": "deleted", "changed_by": actor.id}
    _write(id, row, after, action=actions.DELETED, actor=actor, at=at)
    sealed.forget(id)
    return registry.integration(id)


@operation
def disable_failing(*, actor: Actor, at: datetime, id: str, why: str) -> None:
    """Switch an integration off that no longer answers (``why``: ``failing`` or ``gone``); for who sends, not a person.

    :raises ValueError: when somebody else than Ensign itself asks.
    """
    if actor.kind != "system":
        raise ValueError("only Ensign itself gives an integration up")
    row = Integration.objects.select_for_update().filter(pk=id).first()
    if row is not None and row.status == "active":
        after = {**row.state, "status": "disabled", "why": why, "changed_by": actor.id}
        _write(id, row, after, action=actions.DISABLED, actor=actor, at=at)


@operation
def try_out(*, actor: Actor, at: datetime, id: str) -> Delivery:
    """Send a message that says it is a test; what came of it stands among the deliveries.

    :raises Denied: without the right. :raises Conflict: when nothing is sent there.
    """
    _, state = _locked(id, actor, at=at)
    if state["kind"] not in OUTGOING or state["status"] != "active":
        raise Conflict("Nothing is sent there.", remedy="Switch it on first; ticket systems get no messages.")
    msg = new_id("msg", at=at)
    return Delivery.objects.create(
        id=msg, target=id, source=f"test:{msg}", facts=json.dumps({"action": TEST}), status="due", next_at=at,
        made_at=at,
    )  # fmt: skip


@operation
def redeliver(*, actor: Actor, at: datetime, delivery: str) -> View:
    """Send a message again that was sent, given up or dropped: with the same id, so that a receiver knows it.

    :raises Denied: without the right. :raises NotFound: when there is none. :raises Conflict: when it still waits.
    """
    row = Delivery.objects.select_for_update().filter(pk=delivery).first()
    if row is None or row.target.startswith("usr_"):
        raise NotFound("There is no such delivery.", remedy="Deliveries are kept for 90 days.")
    _, state = _locked(row.target, actor, at=at)
    if state["status"] != "active":
        raise Conflict("The integration is switched off.", remedy="Switch it on first.")
    if row.status == "due":
        raise Conflict("This message is still being tried.", remedy="Wait for its next try.")
    Delivery.objects.filter(pk=row.pk).update(status="due", tried=0, next_at=at, done_at=None)
    return registry.integration(row.target)


def _locked(
    id: str, actor: Actor, *, at: datetime, expected_version: int | None = None
) -> tuple[Integration, dict[str, Any]]:
    row = Integration.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such integration.", remedy="Look at the list of integrations.")
    state = row.state
    require_managing(actor, state["project"], at=at)
    if state["status"] == "deleted":
        raise Conflict("This integration was archived.", remedy="Make a new one.")
    if expected_version is not None and row.version != expected_version:
        raise Conflict("Somebody changed it meanwhile.", remedy="Look at it as it is now.", code="version-conflict")
    return row, state


def _write(
    id: str, row: Integration | None, state: Mapping[str, Any], *, action: Action, actor: Actor, at: datetime
) -> None:
    detail = {"kind": state["kind"], "status": state["status"]}
    if state["why"]:
        detail["why"] = state["why"].replace(" ", "_")
    record(
        action=action, actor=actor, at=at, staged=[stage(Integration, id=id, state=state, current=row)],
        where=Where(project=state["project"]), detail=detail,
    )  # fmt: skip


def _said(kind: str, project: str | None, wish: Wish, *, new: bool) -> dict[str, Any]:
    """What stands in the state of a wish that holds together."""
    name = check_text(wish.name, field="name", limit=100)
    if not name:
        raise Invalid("The name is missing.", fields={"name": "Give it a name that others recognise."})
    if kind not in OUTGOING:
        _, base, prefixes = check_base(kind, wish.base_url, wish.prefixes)
        if wish.token:
            fetching.guarded(base)  # credentials go only where outgoing calls may
        return {"name": name, "topics": [], "environments": [], "host": urlsplit(base).hostname or "",
                "base_url": base, "prefixes": list(prefixes)}  # fmt: skip
    unknown = sorted(set(wish.topics) - {str(topic) for topic in Topic})
    if unknown:
        raise Invalid("There is no such topic.", fields={"topics": f"Choose among {', '.join(Topic)}."})
    return {
        "name": name,
        "topics": sorted(set(wish.topics)),
        "environments": _environments(project, wish.environments),
        "host": _host(wish.url, needed=new),
        "base_url": "",
        "prefixes": [],
    }


def _environments(project: str | None, wanted: tuple[str, ...]) -> list[str]:
    found = sorted({key.strip() for key in wanted if key.strip()})
    if project is not None:
        known = {row.key for row in projects.environments(project)}
        if set(found) - known:
            raise Invalid("There is no such environment.", fields={"environments": f"Choose among {sorted(known)}."})
    if len(found) > 50 or any(len(key) > 100 for key in found):
        raise Invalid("These are too many.", fields={"environments": "Name fifty at most."})
    return found


def _host(url: str, *, needed: bool) -> str:
    """The host of an address that messages may be sent to; "" when none was given and none is needed."""
    if not url.strip():
        if needed:
            raise Invalid("The address is missing.", fields={"url": "Paste the address that messages are posted to."})
        return ""
    if len(url) > 2_000:
        raise Invalid("The address is too long.", fields={"url": "At most 2,000 characters."})
    try:
        return fetching.guarded(url.strip()).host
    except Invalid as error:
        raise Invalid(error.message, remedy=error.remedy, fields={"url": f"{error.message} {error.remedy}"}) from None


def _token(text: str) -> str:
    token = text.strip()
    if len(token) > 2_000 or not token.isprintable():
        raise Invalid("This is no token.", fields={"token": "One line of at most 2,000 characters."})
    return token
