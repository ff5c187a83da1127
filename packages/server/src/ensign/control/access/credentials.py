"""Every token in one form, whoever it belongs to: what lists, exports and findings go by. Pure but for one query.

Client tokens stand above access and are brought into this form by ``projects.credentials``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ensign.control.access.domain import Scope
from ensign.control.access.findings import Finding
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import ServiceAccountView, TokenView

Kind = Literal["personal", "service", "federated", "directory", "backend", "frontend", "edge"]
State = Literal["active", "rotating", "expired", "revoked"]

#: Findings: a token that was not used for so long, and one that ends so soon.
UNUSED: Final = timedelta(days=90)
EXPIRING: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A token without its text. ``owner`` answers for it, ``acts_as`` is whose rights it has ("" for client tokens).

    ``projects`` empty means all, ``environment`` None all; ``permissions`` None is no narrowing. ``approved_by`` is the
    person whose act it rests on. ``known_to``: who may have kept its text, besides who uses it.
    """

    id: str
    kind: Kind
    name: str
    hint: str
    fingerprint: str
    acts_as: str
    owner: str
    purpose: str
    projects: tuple[str, ...]
    environment: str | None
    permissions: tuple[str, ...] | None
    created_by: str
    created_at: datetime
    approved_by: str
    approved_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    rotated_at: datetime | None
    predecessor: str | None
    successor: str | None
    revoked_at: datetime | None
    revoked: bool
    known_to: tuple[str, ...]
    href: str

    def state(self, *, at: datetime) -> State:
        """``rotating``: it has a successor and goes on until the overlap ends."""
        if self.revoked:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= at:
            return "expired"
        return "active" if self.successor is None else "rotating"

    @property
    def scope(self) -> str:
        """Where it reaches, in one text: ``organisation``, ``shop``, ``shop/production``, ``*/production``."""
        place = ",".join(self.projects) or ("*" if self.environment else "organisation")
        return f"{place}/{self.environment}" if self.environment else place


_sources: dict[str, Callable[[], Sequence[Credential]]] = {}


def register(name: str, source: Callable[[], Sequence[Credential]]) -> None:
    """Let a part above access tell its tokens, ended ones included. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _sources:
        raise ValueError(f"two sources of tokens are called {name}")
    _sources[name] = source


def registered() -> list[Credential]:
    """The tokens of every part that told of some."""
    return [one for source in _sources.values() for one in source()]


def of_token(token: TokenView, account: ServiceAccountView | None, *, href: str) -> Credential:
    """A personal token, or one of the service account ``account``."""
    where = Scope(token.project, token.environment)
    return Credential(
        id=token.id,
        kind=token.kind,
        name=token.name,
        hint=token.hint,
        fingerprint=token.fingerprint,
        acts_as=token.subject,
        owner=token.subject if account is None else account.owner,
        purpose=token.purpose or (token.name if account is None else account.purpose),
        projects=() if where.project is None else (where.project,),
        environment=where.environment,
        permissions=token.permissions,
        created_by=token.created_by,
        created_at=token.created_at,
        approved_by=token.vouched_by,
        approved_at=token.vouched_at or token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        rotated_at=token.rotated_at,
        predecessor=token.predecessor,
        successor=token.successor,
        revoked_at=token.revoked_at,
        revoked=token.status == "revoked",
        known_to=()
        if account is None
        else knowers(token.created_by, account.owner, account.former_owners, token.created_at),
        href=href,
    )


def knowers(
    created_by: str, owner: str, former: tuple[tuple[str, datetime], ...], created_at: datetime
) -> tuple[str, ...]:
    """Who made it, who answers for it, and who did so at any time since it was made."""
    return tuple(dict.fromkeys([created_by, owner, *(who for who, until in former if until >= created_at)]))


def of_people_and_services(*, active: bool, federated: bool = True) -> list[Credential]:
    """All tokens of people and service accounts; with ``active`` those that are not revoked."""
    accounts = {account.id: account for account in identity.service_accounts()}
    rows = identity.all_tokens(active=active)
    return [
        of_token(
            token,
            accounts.get(token.subject),
            href=f"/service-accounts/{token.subject}" if token.subject in accounts else "",
        )
        for token in rows
        if federated or token.kind != "federated"
    ]


def findings_about(credential: Credential, left: Mapping[str, datetime], *, at: datetime) -> list[Finding]:
    """What is to be put right with one token. ``left``: who has left, and when.

    A token that has a successor or ends by itself within the hour needs nothing more.
    """
    one = credential
    if one.kind == "federated" or one.state(at=at) != "active":
        return []
    found = []
    gone = sorted((left[who], who) for who in one.known_to if who in left and left[who] >= one.created_at)
    if gone and one.kind != "personal":
        found.append(_finding(one, "rotation-due", gone[0][0], "was in the hands of somebody who has left",
                              "Rotate it: the application goes on through the overlap."))  # fmt: skip
    idle_since = one.last_used_at or one.created_at
    if at - idle_since >= UNUSED:
        days = (at - idle_since).days
        text = f"was not used for {days} days" if one.last_used_at else f"was never used, {days} days after it was made"
        found.append(_finding(one, "token-unused", idle_since + UNUSED, text, "Revoke it, unless something needs it."))
    if one.kind != "personal" and one.expires_at is not None:
        begins = max(one.expires_at - EXPIRING, one.created_at + (one.expires_at - one.created_at) / 2)
        if begins <= at:
            text = f"ends on {one.expires_at:%d %B %Y at %H:%M} UTC"
            found.append(_finding(one, "token-expiring", begins, text, "Rotate it, or let it end."))
    return found


def _finding(one: Credential, code: str, since: datetime, text: str, remedy: str) -> Finding:
    kind = one.kind if one.acts_as else f"{one.kind} client"
    return Finding(
        code=code,
        subject=one.id,
        title=f"The {kind} token “{one.name}” ({one.scope}) {text}.",
        remedy=remedy,
        since=since,
        url=one.href,
        owner=one.owner,
    )
