"""Exchanging the ID token of a CI job for a token of a service account (RFC 8693), by the steps of ``verify``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from ensign.control.audit.ledger import record
from ensign.control.federation import actions, queries, refusals, verify
from ensign.control.federation.domain import RuleView, compare
from ensign.control.federation.issuers import ISSUERS, Away, Issuers
from ensign.control.federation.models import FederationRule, SeenToken
from ensign.control.federation.verify import Presented, Refused
from ensign.control.identity import accounts
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import TokenView
from ensign.control.identity.models import ServiceAccount
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The token that was made, and its text, which exists nowhere else."""

    token: TokenView
    text: str


def exchange(*, subject_token: str, audience: str = "", at: datetime, issuers: Issuers = ISSUERS) -> Exchanged:
    """A token of the service account whose rule lets this job in.

    ``audience`` names the service account, by id or name, or the rule by id; needed only where several rules match.

    :raises Refused: saying which step failed; it is an entry, summarised above a rate.
    """
    issuer = None
    try:
        token = verify.read(subject_token)
        trusting = queries.trusting(token.issuer)
        if not trusting:
            raise Refused("unknown_issuer")
        issuer = token.issuer
        rules = [rule for rule in trusting if rule.audience == token.claims.get("aud")]
        if not rules:
            raise Refused("audience")
        verify.check_times(token, at=at)
        check_key(token, issuers)
        rule = _chosen(rules, token.claims, audience)
        return _made(rule.id, token, at=at)
    except Refused as refused:
        refusals.refused(refused.code, issuer=issuer, at=at)
        raise


def check_key(token: Presented, issuers: Issuers) -> None:
    """Step 7: the signature is that of a key of the issuer.

    :raises Refused: when it is not, or the keys cannot be had.
    """
    try:
        key = verify.key_of(token, issuers.keys(token.issuer))
        if key is None:
            key = verify.key_of(token, issuers.keys(token.issuer, unknown=True))
    except Away as away:
        raise Refused("issuer_away") from away
    if key is None:
        raise Refused("unknown_key")
    verify.check_signature(token, key)


def _chosen(rules: Sequence[RuleView], claims: Mapping[str, Any], audience: str) -> RuleView:
    """Step 8: the one rule that lets the job in."""
    matching = [rule for rule in rules if not any(match.problem for match in compare(rule.claims, claims))]
    if audience:
        names = identity.names(rule.service_account for rule in matching)
        matching = [r for r in matching if audience in {r.id, r.service_account, names[r.service_account]}]
    if not matching:
        raise Refused("claims")
    if len(matching) > 1:
        raise Refused("ambiguous")
    return matching[0]


def _made(rule_id: str, token: Presented, *, at: datetime) -> Exchanged:
    """Step 9, and the token, with everything that may have changed meanwhile checked again under lock."""
    with write_door():
        row = FederationRule.objects.select_for_update().filter(pk=rule_id, status="active").first()
        rule = None if row is None else queries.view(row)
        if rule is None or rule.issuer != token.issuer or any(m.problem for m in compare(rule.claims, token.claims)):
            raise Refused("claims")
        verify.check_audience(token, rule.audience)
        account = ServiceAccount.objects.select_for_update().filter(pk=rule.service_account).first()
        if account is None or account.status != "active":
            raise Refused("inactive")
        _remember(token, at=at)
        subject = token.claims.get("sub")
        subject = subject[:1000] if isinstance(subject, str) else ""
        staged, text = accounts.stage_token(
            kind="federated",
            subject=account.pk,
            name=rule.name,
            permissions=rule.permissions,
            edition=rule.edition,
            project=rule.project,
            environment=rule.environment,
            created_by=rule.changed_by,
            expires_at=at + timedelta(minutes=rule.minutes),
            at=at,
            more={"federation": {"rule": rule.id, "issuer": rule.issuer, "subject": subject}},
        )
        record(
            action=actions.EXCHANGED,
            actor=Actor(kind="service", id=account.pk, via="token", token_id=staged.id),
            at=at,
            staged=[staged],
            reason=_printable(subject) or None,
            detail={"rule": rule.id, "issuer": rule.issuer, "minutes": rule.minutes},
        )
        return Exchanged(token=identity.token(staged.id), text=text)


def _remember(token: Presented, *, at: datetime) -> None:
    rows = [SeenToken(key=key, until=token.forgotten_at(at=at)) for key in token.replay_keys()]
    try:
        with transaction.atomic():
            SeenToken.objects.bulk_create(rows)
    except IntegrityError as error:
        raise Refused("replayed") from error


def _printable(text: str) -> str:
    """A subject as a reason may hold it; what is not readable is shown as such."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
