"""A service account, an issuer with real keys that a rule trusts, and what a job at it may present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ensign.control.access import service_accounts
from ensign.control.access.domain import Scope
from ensign.control.federation import exchange, operations
from ensign.control.federation.domain import RuleView, RuleWish
from ensign.control.federation.issuers import Issuers
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

from ensign_testkit.issuer import Issuer
from ensign_testkit.people import add_person, give
from ensign_testkit.targets import shop

AUDIENCE = "https://ensign.example.com"
CLAIMS = {"repository": "acme/shop", "ref": "refs/heads/main"}


@dataclass(frozen=True)
class World:
    """Everything that an exchange needs."""

    admin: Actor
    issuer: Issuer
    account: str
    rule: RuleView
    issuers: Issuers

    def exchange(self, token: str, **more: str) -> exchange.Exchanged:
        """Exchange now."""
        return exchange.exchange(subject_token=token, at=clock.now(), issuers=self.issuers, **more)


def wish(issuer: Issuer, **more: object) -> RuleWish:
    """A rule for the main branch of acme/shop, but for ``more``."""
    said: dict[str, Any] = {
        "name": "deploy from main",
        "shape": "github",
        "issuer": issuer.url,
        "audience": AUDIENCE,
        "claims": CLAIMS,
        "permissions": frozenset({"project:read"}),
        "scope": Scope("shop"),
        **more,
    }
    return RuleWish(**said)


def world_of(issuer: Issuer) -> World:
    """A project, a service account, and a rule that lets the main branch of acme/shop act as it."""
    shop()
    admin = add_person("Root", "admin")
    account = service_accounts.create(actor=admin, at=clock.now(), name="ci", purpose="deploys", owner=admin.id)
    give(account.id, "viewer")
    rule = operations.create(actor=admin, at=clock.now(), service_account_id=account.id, wish=wish(issuer))
    return World(admin=admin, issuer=issuer, account=account.id, rule=rule, issuers=Issuers())
