"""Reading identity into frozen values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from ensign.control.identity.domain import (
    FORMER,
    GroupView,
    PersonView,
    ServiceAccountView,
    SessionView,
    TokenView,
    former,
)
from ensign.control.identity.models import Account, Group, Membership, Person, ServiceAccount, Token, TokenUse
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound

FINGERPRINT = 16
"""How many hex digits of a token's SHA-256 a list shows: enough to tell tokens apart, not to try texts against."""
#: The actor for what a directory does by SCIM.
DIRECTORY = "sys_directory"


def names(ids: Iterable[str]) -> dict[str, str]:
    """Display names by id, for people, groups, service accounts and Ensign's own actors; in at most three queries.

    Every id asked for is answered: an erased person is "former person (usr_…)", an unknown one "former person".
    """
    wanted = {id for id in ids if id}
    found = {id: _built_in(id) for id in wanted if not id.startswith(("usr_", "grp_", "svc_"))}
    people = [id for id in wanted if id.startswith("usr_")]
    if people:
        rows = Person.objects.filter(pk__in=people).values_list("pk", "name", "email")
        found.update({pk: name or email or former(pk) for pk, name, email in rows})
    groups = [id for id in wanted if id.startswith("grp_")]
    if groups:
        found.update(Group.objects.filter(pk__in=groups).values_list("pk", "name"))
    services = [id for id in wanted if id.startswith("svc_")]
    if services:
        found.update(ServiceAccount.objects.filter(pk__in=services).values_list("pk", "name"))
    return {id: found.get(id) or FORMER for id in wanted}


def name(id: str) -> str:
    """:func:`names` of one."""
    return names([id]).get(id, FORMER)


def person(id: str) -> PersonView:
    """One person.

    :raises NotFound: when there is none.
    """
    row = Person.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such person.", remedy="They may be listed under another name: see People.")
    return _person(row)


def person_by_email(email: str) -> PersonView | None:
    """The person with this address (in the form of ``domain.clean_email``), or None."""
    row = Person.objects.filter(email=email).first()
    return None if row is None else _person(row)


def people(*, status: str | None = None) -> tuple[PersonView, ...]:
    """All people by name without those who were erased, or those of one status."""
    rows = Person.objects.order_by("name", "pk")
    rows = rows.exclude(status="erased") if status is None else rows.filter(status=status)
    return tuple(_person(row) for row in rows)


def is_active(id: str) -> bool:
    """Whether this person or service account may act at all."""
    model = ServiceAccount if id.startswith("svc_") else Person
    return bool(model._base_manager.filter(pk=id, status="active").exists())


def anybody() -> bool:
    """Whether anybody has ever been set up; until then the set-up link works."""
    return Person.objects.exists()


def group(id: str) -> GroupView:
    """One group.

    :raises NotFound: when there is none.
    """
    row = Group.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such group.", remedy="See Groups.")
    return _groups([row])[0]


def groups() -> tuple[GroupView, ...]:
    """All groups by name, archived ones included."""
    return _groups(list(Group.objects.order_by("name")))


def groups_of(person_id: str) -> tuple[GroupView, ...]:
    """The active groups that a person belongs to, by name."""
    ids = Membership.objects.filter(person=person_id, status="active").values_list("group", flat=True)
    return _groups(list(Group.objects.filter(pk__in=list(ids), status="active").order_by("name")))


def members() -> Mapping[str, tuple[str, ...]]:
    """Group id -> ids of its members, for all groups."""
    found: dict[str, list[str]] = defaultdict(list)
    for group_id, person_id in Membership.objects.filter(status="active").order_by("pk").values_list("group", "person"):
        found[group_id].append(person_id)
    return {group_id: tuple(ids) for group_id, ids in found.items()}


def members_of(group_id: str) -> tuple[str, ...]:
    """Ids of the active people in an active group; () for any other."""
    if not Group.objects.filter(pk=group_id, status="active").exists():
        return ()
    ids = Membership.objects.filter(group=group_id, status="active").values_list("person", flat=True)
    return tuple(Person.objects.filter(pk__in=list(ids), status="active").order_by("pk").values_list("pk", flat=True))


def service_account(id: str) -> ServiceAccountView:
    """One service account.

    :raises NotFound: when there is none.
    """
    row = ServiceAccount.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such service account.", remedy="See Service accounts.")
    return _service(row)


def service_accounts() -> tuple[ServiceAccountView, ...]:
    """All service accounts by name, disabled ones included."""
    return tuple(_service(row) for row in ServiceAccount.objects.order_by("name"))


def tokens_of(subject: str) -> tuple[TokenView, ...]:
    """A person's or service account's tokens, newest first, ended ones included; federated ones, which end within an
    hour and are many, are told by :func:`federated_of`.
    """
    return _tokens(list(Token.objects.filter(subject=subject).exclude(kind="federated").order_by("-pk")))


def federated_of(subject: str, *, limit: int = 20) -> tuple[TokenView, ...]:
    """The newest federated tokens of a service account."""
    return _tokens(list(Token.objects.filter(subject=subject, kind="federated").order_by("-pk")[:limit]))


def all_tokens(*, active: bool = False, kind: str | None = None) -> tuple[TokenView, ...]:
    """Every token of people and service accounts, newest first; with ``active`` those that are not revoked."""
    rows = Token.objects.order_by("-pk")
    if active:
        rows = rows.filter(status="active")
    if kind is not None:
        rows = rows.filter(kind=kind)
    return _tokens(list(rows))


def token(id: str) -> TokenView:
    """One token.

    :raises NotFound: when there is none.
    """
    row = Token.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such token.")
    return _tokens([row])[0]


def people_behind(actor_id: str, *, token_id: str | None = None) -> frozenset[str]:
    """Ids of the people who stand behind an actor: themselves; a service account's owner and who made the token, or
    the first of a line of tokens that rotates itself, or the rule that a federated one was made by.

    For segregation of duties: whoever wrote something through a pipeline of their own must not approve it.
    """
    if actor_id.startswith("usr_"):
        return frozenset({actor_id})
    behind = set(ServiceAccount.objects.filter(pk=actor_id).values_list("owner", flat=True))
    if token_id is not None:
        for row in Token.objects.filter(pk=token_id, subject=actor_id):
            behind |= {row.state["created_by"], row.state.get("vouched_by") or row.state["created_by"]}
    return frozenset(behind)


def sessions_of(person_id: str, *, current: str | None) -> tuple[SessionView, ...]:
    """Where a person is signed in, the present session (with key ``current``) first, then the latest seen."""
    rows = UserSession.objects.filter(user__person_id=person_id).order_by("-last_seen_at")
    alive = set(Session.objects.filter(session_key__in=[row.session_key for row in rows]).values_list("pk", flat=True))
    found = [
        SessionView(
            id=row.pk,
            address=row.ip,
            agent=row.user_agent,
            started_at=row.created_at,
            seen_at=row.last_seen_at,
            current=row.session_key == current,
            way=str(row.data.get("way", "")),
        )
        for row in rows
        if row.session_key in alive
    ]
    return tuple(sorted(found, key=lambda session: not session.current))


def last_sign_ins() -> Mapping[str, datetime]:
    """Person id -> when they last signed in, of everybody who has."""
    rows = Account.objects.exclude(last_login=None).values_list("person_id", "last_login")
    return {person_id: at for person_id, at in rows if at is not None}


def _built_in(id: str) -> str:
    if id == "anonymous":
        return "somebody not signed in"
    if id == DIRECTORY:
        return "the directory"
    return f"Ensign ({id.removeprefix('sys_').replace('_', ' ')})" if id.startswith("sys_") else FORMER


def _person(row: Person) -> PersonView:
    return PersonView(
        id=row.pk,
        email=row.email or "",
        name=row.name or "",
        status=row.status,
        version=row.version,
        ledger_seq=row.ledger_seq,
    )


def _groups(rows: list[Group]) -> tuple[GroupView, ...]:
    belongs: dict[str, list[str]] = defaultdict(list)
    listed = Membership.objects.filter(group__in=[row.pk for row in rows], status="active").order_by("pk")
    for group_id, person_id in listed.values_list("group", "person"):
        belongs[group_id].append(person_id)
    return tuple(
        GroupView(
            id=row.pk,
            name=row.name,
            description=row.state["description"],
            status=row.status,
            members=tuple(belongs[row.pk]),
            version=row.version,
            managed=row.state.get("directory") is not None,
        )
        for row in rows
    )


def _service(row: ServiceAccount) -> ServiceAccountView:
    state = row.state
    return ServiceAccountView(
        id=row.pk,
        name=row.name,
        purpose=state["purpose"],
        owner=row.owner,
        status=row.status,
        version=row.version,
        former_owners=tuple((one["owner"], clock.parse(one["until"])) for one in state.get("former_owners", ())),
    )


def _tokens(rows: list[Token]) -> tuple[TokenView, ...]:
    used: dict[str, datetime] = {}
    for start in range(0, len(rows), 500):
        ids = [row.pk for row in rows[start : start + 500]]
        used.update(TokenUse.objects.filter(pk__in=ids).values_list("pk", "last_used_at"))
    return tuple(_token(row, used.get(row.pk)) for row in rows)


def _token(row: Token, last_used_at: datetime | None) -> TokenView:
    state = row.state
    return TokenView(
        id=row.pk,
        kind=row.kind,
        name=state["name"],
        subject=row.subject,
        hint=state["hint"],
        permissions=None if state["permissions"] is None else tuple(state["permissions"]),
        project=state["project"],
        environment=state["environment"],
        created_by=state["created_by"],
        created_at=clock.parse(state["created_at"]),
        expires_at=clock.parse(state["expires_at"]),
        status=row.status,
        last_used_at=last_used_at,
        version=row.version,
        purpose=state.get("purpose", ""),
        predecessor=state.get("predecessor"),
        successor=state.get("successor"),
        rotated_at=_instant(state.get("rotated_at")),
        revoked_at=_instant(state.get("revoked_at")),
        renewable_until=_instant(state.get("renewable_until")),
        rule=(state.get("federation") or {}).get("rule"),
        vouched_by=state.get("vouched_by") or state["created_by"],
        vouched_at=_instant(state.get("renewable_since") or state["created_at"]),
        fingerprint=row.token_hash[:FINGERPRINT],
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else clock.parse(text)
