"""Trying out a token against one rule, step by step: what matches, what does not and why. Nothing is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.federation import queries, verify
from ensign.control.federation.domain import Match, compare
from ensign.control.federation.issuers import ISSUERS, Away, Issuers
from ensign.control.federation.verify import Presented, Refused
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One check. ``problem`` is empty when it passed."""

    title: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All checks in order, and every pinned claim beside what the token says."""

    steps: tuple[Step, ...]
    claims: tuple[Match, ...]

    @property
    def good(self) -> bool:
        """Whether the rule lets the job in (once: a replay is not looked for here)."""
        return not any(step.problem for step in self.steps) and not any(match.problem for match in self.claims)


def try_token(*, actor: Actor, at: datetime, rule_id: str, subject_token: str, issuers: Issuers = ISSUERS) -> Verdict:
    """What a rule says to a token, which is not stored.

    :raises Denied: without ``org:service-accounts:manage``; never by token.
    :raises NotFound: when there is no such rule.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    rule = queries.rule(rule_id)
    try:
        token = verify.read(subject_token.strip())
    except Refused as refused:
        return Verdict(steps=(Step(title="It is a signed JWT", problem=str(refused)),), claims=())
    wrong_issuer = "" if token.issuer == rule.issuer else f"It is of {token.issuer[:200]!r}, not of {rule.issuer!r}."
    account = identity.service_account(rule.service_account)
    inactive = "" if account.status == "active" and rule.status == "active" else "The rule or the account is disabled."
    steps = [
        Step(title="It is a signed JWT"),
        Step(title="The rule and the service account are in force", problem=inactive),
        Step(title="The issuer is the rule's, letter by letter", problem=wrong_issuer),
        _step("The audience is the rule's", lambda: verify.check_audience(token, rule.audience)),
        _step("It counts now", lambda: verify.check_times(token, at=at)),
    ]
    if not wrong_issuer:  # a stranger's address is never asked
        steps.append(_signature(token, issuers))
    return Verdict(steps=tuple(steps), claims=compare(rule.claims, token.claims))


def _signature(token: Presented, issuers: Issuers) -> Step:
    title = "Its signature is that of a key of the issuer"
    try:
        key = verify.key_of(token, issuers.keys(token.issuer))
        key = key or verify.key_of(token, issuers.keys(token.issuer, unknown=True))
    except Away as away:
        return Step(title=title, problem=f"The issuer's keys cannot be read. {away}")
    except Refused as refused:
        return Step(title=title, problem=str(refused))
    if key is None:
        return Step(title=title, problem=verify.REFUSALS["unknown_key"])
    return _step(title, lambda: verify.check_signature(token, key))


def _step(title: str, check: Callable[[], None]) -> Step:
    try:
        check()
    except Refused as refused:
        return Step(title=title, problem=str(refused))
    return Step(title=title)
