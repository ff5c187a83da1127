"""Deciding how people sign in. Every decision is an entry; nobody shuts themselves out by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit import history
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import actions, enforcing, queries
from ensign.control.identity.enforcing import RULES_ID
from ensign.control.identity.rules import Difference, Rules, differences, from_state, revised
from ensign.control.identity.sign_in_models import SignInRules
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The rules in force: their version (0: the defaults, nobody has decided) and the entry that made them so."""

    rules: Rules
    version: int
    ledger_seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision: what was changed, from what to what, by whom; newest entries have no ``until``."""

    seq: int
    at: datetime
    until: datetime | None
    by: str
    by_name: str
    reason: str
    reset: bool
    differences: tuple[Difference, ...]


def present() -> Present:
    """What holds now."""
    row = SignInRules.objects.filter(pk=RULES_ID).first()
    if row is None:
        return Present(rules=Rules(), version=0, ledger_seq=None)
    return Present(rules=from_state(row.state), version=row.version, ledger_seq=row.ledger_seq)


@operation
def change(
    *, actor: Actor, at: datetime, wanted: Rules, address: str, way: str, version: int | None = None, reason: str = ""
) -> Present:
    """Decide on other rules. ``address`` and ``way`` are where and how who decides is signed in: they stay allowed.

    :raises Denied: without ``org:security:manage``; NeedsMfa without a recent second factor.
    :raises Invalid: for values out of bounds, unknown people, or rules that would shut out who sets them.
    :raises Conflict: when ``version`` is given and no longer in force.
    """
    require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    row = SignInRules.objects.select_for_update().filter(pk=RULES_ID).first()
    before = Rules() if row is None else from_state(row.state)
    if version is not None and version != (0 if row is None else row.version):
        raise Conflict(
            "Somebody else changed the rules meanwhile.",
            remedy="Reload them, and decide again.",
            code="version-conflict",
        )
    rules = revised(before, wanted, at=at)
    _check_people(rules)
    _check_not_shut_out(rules, actor=actor, address=address, way=way)
    if rules.passkeys and not before.passkeys and "webauthn" not in enforcing.kinds_of(actor.id):
        raise Invalid(
            "Passkeys are not known to work here yet.",
            fields={"passkeys": "Enrol one yourself first: browsers offer them over https (or on localhost) alone."},
        )
    if rules == before:
        return present()
    staged = stage(SignInRules, id=RULES_ID, state=rules.to_state(), current=row)
    changed = [one.member for one in differences(before, rules, {})]
    record(
        action=actions.SIGN_IN_RULES_CHANGED,
        actor=actor,
        at=at,
        staged=[staged],
        reason=reason,
        detail={"changed": changed},
    )
    return present()


@operation
def reset(*, actor: Actor, at: datetime, reason: str = "") -> Present:
    """Back to the defaults, without any permission: for whoever may run commands on the server itself.

    Only a system actor does this; the entry says so.

    :raises Conflict: when the defaults hold already.
    """
    if actor.kind != "system":
        require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    row = SignInRules.objects.select_for_update().filter(pk=RULES_ID).first()
    if row is None or from_state(row.state) == Rules():
        raise Conflict("The sign-in rules are the defaults already.")
    staged = stage(SignInRules, id=RULES_ID, state=Rules().to_state(), current=row)
    record(action=actions.SIGN_IN_RULES_RESET, actor=actor, at=at, staged=[staged], reason=reason)
    return present()


def _check_people(rules: Rules) -> None:
    active = {person.id for person in queries.people() if person.status != "disabled"}
    unknown = [id for id in rules.listed if id not in active]
    if unknown:
        raise Invalid(
            "Some of the people listed are not here.", fields={"listed": f"Nobody active has the id {unknown[0][:60]}."}
        )


def _check_not_shut_out(rules: Rules, *, actor: Actor, address: str, way: str) -> None:
    if not rules.allows_address(address):
        raise Invalid(
            "These addresses would shut you out.",
            fields={"networks": f"Include the address that you come from, {address}."},
        )
    if not rules.allows_way(way, actor.id):
        field = "listed" if rules.local == "listed" else "local"
        raise Invalid(
            "These rules would shut you out: you are signed in with an account of Ensign's own.",
            fields={
                field: "List yourself, or sign in through your identity provider first, so that it is known to work."
            },
        )


def timeline() -> tuple[Decided, ...]:
    """Every decision ever, newest first."""
    entries = history.of_object(f"{SignInRules.object_type}:{RULES_ID}", limit=10_000)
    states = [_states(entry.changes[0].before, entry.changes[0].after) for entry in entries]
    names = queries.names([entry.actor["id"] for entry in entries] + list(_listed(states)))
    found, until = [], None
    for entry, (before, after) in zip(entries, states, strict=True):
        found.append(
            Decided(
                seq=entry.seq,
                at=entry.at,
                until=until,
                by=entry.actor["id"],
                by_name=names[entry.actor["id"]],
                reason=entry.reason or "",
                reset=entry.action == actions.SIGN_IN_RULES_RESET.code,
                differences=differences(before, after, names),
            )
        )
        until = entry.at
    return tuple(found)


def _states(before: dict[str, object] | None, after: dict[str, object] | None) -> tuple[Rules, Rules]:
    return from_state(before or {}), from_state(after or {})


def _listed(states: Iterable[tuple[Rules, Rules]]) -> Iterable[str]:
    return (id for pair in states for rules in pair for id in rules.listed)
