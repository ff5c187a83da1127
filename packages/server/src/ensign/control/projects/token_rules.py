"""How long client tokens may live: the organisation's choice, and the default end of a new token.

A token that ends may stop an application, one that never ends is never taken out of circulation. Unless chosen
otherwise, a token may live without an end where changes need no approval, and for at most a year elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import actions
from ensign.control.projects.models import Environment, TokenRules

Never = Literal["nowhere", "unprotected", "everywhere"]

ROW: Final = "installation"
MAX_DAYS: Final = 1095
DEFAULT_DAYS: Final = 365
"""What a new token gets when nothing is said, if the rules allow as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesView:
    """Tokens end after ``max_days`` at most; ``never`` says where one may live without an end."""

    max_days: int = DEFAULT_DAYS
    never: Never = "unprotected"

    @property
    def default(self) -> timedelta:
        """The lifetime of a token for which none was chosen."""
        return timedelta(days=min(DEFAULT_DAYS, self.max_days))


def current() -> RulesView:
    """The rules in force."""
    row = TokenRules.objects.filter(pk=ROW).first()
    return RulesView() if row is None else RulesView(max_days=row.state["max_days"], never=row.state["never"])


@operation
def choose(*, actor: Actor, at: datetime, max_days: int, never: str, reason: str = "") -> RulesView:
    """Choose the rules for tokens to come; those that there are stay as they are.

    :raises Denied: without ``org:settings:manage``.
    :raises Invalid: naming the field that is wrong.
    """
    require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    if not 1 <= max_days <= MAX_DAYS:
        raise Invalid("This lifetime is not possible.", fields={"max_days": f"Choose 1 to {MAX_DAYS} days."})
    if never not in get_args(Never):
        raise Invalid("This is no rule.", fields={"never": f"Choose one of {', '.join(get_args(Never))}."})
    row = TokenRules.objects.select_for_update().filter(pk=ROW).first()
    staged = stage(TokenRules, id=ROW, state={"max_days": max_days, "never": never}, current=row)
    detail = {"max_days": max_days, "never": never}
    record(action=actions.TOKEN_RULES_CHOSEN, actor=actor, at=at, staged=[staged], reason=reason or None, detail=detail)
    return current()


def end_of(
    expires_at: datetime | None, *, never: bool, projects: Sequence[str], environment: str, at: datetime
) -> datetime | None:
    """When a new token ends: as chosen, or by default; None when it shall live without an end, and may.

    :raises Invalid: when the rules do not let it.
    """
    rules = current()
    if never and expires_at is not None:
        raise Invalid("It either ends or it does not.", fields={"expires_at": "Leave it out, or do not ask for never."})
    if never:
        _require_never(rules, projects, environment)
        return None
    if expires_at is None:
        return at + rules.default
    if expires_at <= at:
        raise Invalid("The token would be dead already.", fields={"expires_at": "Choose a time to come."})
    if expires_at > at + timedelta(days=rules.max_days + 1):  # a chosen day counts to its end
        days = f"A client token lives for at most {rules.max_days} days here."
        raise Invalid("The token would live too long.", fields={"expires_at": days})
    return expires_at


def may_live_for_ever(rules: RulesView, projects: Sequence[str], environment: str) -> bool:
    """Whether a token for these projects (keys, or ``*``) in this environment needs no end."""
    if rules.never != "unprotected":
        return rules.never == "everywhere"
    reached = Environment.objects.filter(key=environment, status="active", protected=True)
    return not (reached if "*" in projects else reached.filter(project__in=list(projects))).exists()


def _require_never(rules: RulesView, projects: Sequence[str], environment: str) -> None:
    if not may_live_for_ever(rules, projects, environment):
        where = "here" if rules.never == "nowhere" else "in an environment whose changes need approval"
        raise Invalid(
            f"A client token must have an end {where}.",
            fields={"never": f"Choose an end within {rules.max_days} days."},
            remedy="Rotating it is one act, with an overlap; whoever manages settings may change the rule.",
        )
