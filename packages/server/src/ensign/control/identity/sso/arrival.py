"""Somebody comes from a provider that vouched for them: who they are here, what groups they get, and their session.

Each function takes an :class:`Asserted` that its protocol has verified in full. Everything that one arrival changes is
one transaction; a refusal is an entry that holds nothing of what was asserted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest

from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import accounts, links, sign_in
from ensign.control.identity.actions import PERSON_JOINED
from ensign.control.identity.domain import PersonView, clean_email, clean_name
from ensign.control.identity.models import Account, Person
from ensign.control.identity.queries import person as person_view
from ensign.control.identity.sso import actions, membership, queries, sessions
from ensign.control.identity.sso.domain import Asserted, Found, NotLetIn, ProviderView, judge, subject_hash
from ensign.control.identity.sso.models import ExternalIdentity, IdentityProvider
from ensign.control.identity.sso.sessions import SSO
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import write_door

#: How old a proof may be that answers a question to confirm it is you.
FRESH = timedelta(minutes=5)


def arrive(request: HttpRequest, asserted: Asserted, *, at: datetime) -> Account:
    """Sign the person in: find, link or make them, give and take the mapped groups, begin the session.

    :raises NotLetIn: naming the rule (``domain.judge``); it has been recorded.
    """
    try:
        with write_door():
            provider = _locked(asserted.provider)
            person_id, identity = _who(provider, asserted, at=at)
            account = Account.objects.select_related("person").get(person_id=person_id)
            membership.sync(provider, person_id, asserted.groups, at=at)
            proved = min(asserted.authenticated_at, at) if asserted.strong and provider.mfa_counts else None
            sign_in.complete(request, account, way=provider.kind, at=at, mfa_at=proved, provider=provider.id)
            sessions.begin(request, provider, asserted, identity=identity, person=person_id, at=at)
    except NotLetIn as error:
        refused(asserted.provider, error, at=at)
        raise
    return account


def renew(request: HttpRequest, asserted: Asserted, *, at: datetime) -> None:
    """The provider vouches for the person of this session again: groups are brought up to date, the session goes on.

    :raises NotLetIn: when it vouched for somebody else or the person may not go on; the session has been ended.
    """
    try:
        with write_door():
            provider = _locked(asserted.provider)
            person = _same(request, provider, asserted)
            membership.sync(provider, person.id, asserted.groups, at=at)
            sessions.checked(request, provider, asserted, at=at)
    except NotLetIn as error:
        end_unrenewed(request, error, at=at)
        raise


def confirm(request: HttpRequest, asserted: Asserted, *, at: datetime) -> None:
    """The step-up at the provider: the same person has just proved a second factor there.

    :raises NotLetIn: when it was somebody else, without a second factor, too long ago, or does not count here.
    """
    provider = queries.provider(asserted.provider)
    try:
        _same(request, provider, asserted)
        if not provider.mfa_counts:
            raise NotLetIn("factor-not-counted", "A second factor at this provider does not count here.")
        if not asserted.strong:
            raise NotLetIn("no-factor", "The provider does not say that you used a second factor.")
        if at - asserted.authenticated_at > FRESH:
            raise NotLetIn("not-fresh", "The provider did not ask you again.", remedy="Try again.")
    except NotLetIn as error:
        refused(asserted.provider, error, at=at)
        raise
    sign_in.proved(request, way=provider.kind, at=at)


def end_unrenewed(request: HttpRequest, error: NotLetIn, *, at: datetime) -> None:
    """End the session of this request, which its provider does not vouch for any more, with an entry."""
    kept = sessions.mark(request)
    refused(kept.provider if kept else "", error, at=at)
    with write_door():
        if kept is not None and request.session.session_key:
            sessions.end_one(request.session.session_key, because="not_renewed", at=at)
        request.session.flush()


def refused(provider_id: str, error: NotLetIn, *, at: datetime) -> None:
    """Record a refusal: the rule and the provider, and the person if one is known; nothing that was asserted."""
    more = {"why": error.code.replace("-", "_"), "provider": provider_id}
    sign_in.refused("provider", person_id=error.person_id, at=at, more=more)


def _locked(provider_id: str) -> ProviderView:
    """The provider, locked until commit: two first arrivals of one person are one after the other."""
    row = IdentityProvider.objects.select_for_update().filter(pk=provider_id).first()
    if row is None:
        raise NotLetIn("provider-unknown", "There is no such identity provider.")
    return queries.view(row)


def _same(request: HttpRequest, provider: ProviderView, asserted: Asserted) -> PersonView:
    """The person of this session, if ``asserted`` is the very identity that it began with."""
    kept, account = sessions.mark(request), request.user
    known = _identity(provider, asserted)
    if kept is None or not isinstance(account, Account) or known is None or known.pk != kept.identity:
        raise NotLetIn("somebody-else", "The provider vouched for somebody else than who is signed in here.")
    person = person_view(account.person_id)
    if known.person != person.id or person.status != "active" or not provider.active:
        raise NotLetIn("deactivated", "This account has been deactivated.", person_id=person.id)
    return person


def _identity(provider: ProviderView, asserted: Asserted) -> ExternalIdentity | None:
    hashed = subject_hash(provider.id, asserted.subject)
    return ExternalIdentity.objects.filter(provider=provider.id, subject_hash=hashed).first()


def _who(provider: ProviderView, asserted: Asserted, *, at: datetime) -> tuple[str, str]:
    """(id of the person, id of the identity), linking or making them as ``domain.judge`` says."""
    identity = _identity(provider, asserted)
    linked = identity is not None and identity.status == "active"
    known = _found(identity.person) if identity is not None and linked else None
    email = _email(asserted)
    by_email = None if known or not email else _by_email(provider, email)
    address = Person.objects.get(pk=known.person).email if known else email
    enforced = tuple(one.id for one in queries.enforced_for(address))
    verdict = judge(asserted, provider, known=known, by_email=by_email, enforced_by=enforced)
    if verdict == "known" and identity is not None:
        return _joined(identity.person, provider, asserted, at=at), identity.pk
    if verdict == "link" and by_email is not None:
        person_id = _joined(by_email.person, provider, asserted, at=at)
    else:
        person_id = _made(email, asserted, provider, at=at)
    how = "address" if verdict == "link" else "provisioned"
    return person_id, _linked(provider, asserted, person_id, how=how, earlier=identity, at=at)


def _email(asserted: Asserted) -> str:
    try:
        return clean_email(asserted.email)
    except Invalid:
        return ""


def _found(person_id: str) -> Found:
    return Found(person=person_id, status=Person.objects.get(pk=person_id).status)


def _by_email(provider: ProviderView, email: str) -> Found | None:
    person = Person.objects.select_for_update().filter(email=email).first()
    if person is None:
        return None
    others = ExternalIdentity.objects.filter(provider=provider.id, person=person.pk, status="active")
    return Found(person=person.pk, status=person.status, other_subject=others.exists())


def _made(email: str, asserted: Asserted, provider: ProviderView, *, at: datetime) -> str:
    row = accounts.stage_new_person(email=email, name=_name(asserted), status="active", at=at)
    detail = {"provider": provider.id}
    record(action=actions.PERSON_PROVISIONED, actor=SSO, at=at, staged=[row], detail=detail)
    accounts.open_account_without_password(row.id, email=email)
    return row.id


def _joined(person_id: str, provider: ProviderView, asserted: Asserted, *, at: datetime) -> str:
    """Somebody invited joins by signing in; nothing to do for everybody else."""
    person = accounts.locked_person(person_id)
    if person.status != "invited":
        return person_id
    state = {**person.state, "name": person.name or _name(asserted), "status": "active"}
    row = stage(Person, id=person.pk, state=state, current=person)
    joined = Actor(kind="person", id=person.pk, via="setup")
    record(action=PERSON_JOINED, actor=joined, at=at, staged=[row], detail={"provider": provider.id})
    links.end("invite", person_id=person.pk, because="joined", at=at)
    if not Account.objects.filter(person_id=person.pk).exists():
        accounts.open_account_without_password(person.pk, email=person.email)
    return person_id


def _linked(
    provider: ProviderView,
    asserted: Asserted,
    person_id: str,
    *,
    how: str,
    earlier: ExternalIdentity | None,
    at: datetime,
) -> str:
    state = {
        "provider": provider.id,
        "subject": asserted.subject,
        "subject_hash": subject_hash(provider.id, asserted.subject),
        "person": person_id,
        "linked_at": clock.text(at),
        "how": how,
        "status": "active",
    }
    id = new_id("xid", at=at) if earlier is None else earlier.pk
    row = stage(ExternalIdentity, id=id, state=state, current=earlier)
    detail = {"provider": provider.id, "person": person_id, "how": how}
    record(action=actions.IDENTITY_LINKED, actor=SSO, at=at, staged=[row], detail=detail)
    return id


def _name(asserted: Asserted) -> str:
    """The asserted name as a person's name; "" when it is none that Ensign takes."""
    try:
        return clean_name(asserted.name[:100])
    except Invalid:
        return ""
