"""The detectors: pure functions from what the log says to what somebody has to look at.

Each takes a :class:`~facts.Fact`, what it needs to know besides, and the rules; it returns a :class:`~facts.Found` or
None. None of them looks at anything but ids, keys, times and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from ensign.control.identity.rules import Rules as SignInRules
from ensign.control.monitoring.domain.facts import Fact, Found
from ensign.control.monitoring.domain.kinds import KINDS, Severity
from ensign.control.monitoring.domain.rules import FRESH_KEY, RECIPROCAL_WINDOW, Rules

#: How a change came to apply by somebody's own decision at that moment. A kill switch pressed at night is what it is
#: for, a step of a plan was decided on when the plan was approved, an emergency has an alert of its own.
_DECIDED: Final = frozenset({"request", "direct"})
#: What changes how changes are approved.
POLICY_OPERATIONS: Final = frozenset({"policy.set", "environment.protect", "environment.unprotect"})
_LOCALS: Final = {"nobody": 0, "listed": 1, "everybody": 2}
_DEMANDS: Final = {"nobody": 0, "powerful": 1, "everybody": 2}


def _found(kind: str, fact: Fact, subject: str, **more: Any) -> Found:
    severity: Severity = more.pop("severity", KINDS[kind].severity)
    return Found(
        kind=kind,
        severity=severity,
        subject=subject,
        caused_by=more.pop("caused_by", fact.ours),
        evidence=more.pop("evidence", (fact.seq,)),
        project=fact.project,
        environment=fact.environment,
        facts=more,
    )


def off_hours(fact: Fact, *, rules: Rules) -> Found | None:
    """A person changed a protected environment while its project's people do not work."""
    if not fact.applied or fact.mode not in _DECIDED or fact.via == "system" or fact.project is None:
        return None
    if rules.hours_of(fact.project).covers(fact.at):
        return None
    return _found("off-hours", fact, fact.actor)


def mass_change(fact: Fact, *, earlier: Iterable[Fact], rules: Rules) -> Found | None:
    """One person or tool changed many flags of a protected environment in a short time, in one request or in several.

    ``earlier``: facts before this one; those out of the window, or by others, are left out here.
    """
    if not fact.applied or fact.mode == "standard":
        return None
    since = fact.at - timedelta(minutes=rules.mass_minutes)
    by = fact.author or fact.actor
    together = [
        one
        for one in earlier
        if one.applied
        and one.mode != "standard"
        and since <= one.at
        and one.seq < fact.seq
        and (one.author or one.actor) == by
        and (one.project, one.environment) == (fact.project, fact.environment)
    ]
    flags = fact.content.union(*(one.content for one in together))
    if len(flags) < rules.mass_flags:
        return None
    evidence = (*(one.seq for one in together), fact.seq)
    return _found("mass-change", fact, by, evidence=evidence, flags=len(flags), minutes=rules.mass_minutes)


def rare_actor(fact: Fact, *, seen: bool, log_since: datetime | None, rules: Rules) -> Found | None:
    """Somebody changed a protected environment who had not for long.

    ``seen``: whether they did within ``rare_days`` before. ``log_since``: when the first change of a protected
    environment was; while that is not long ago, everybody is new and nobody is rare.
    """
    if not fact.applied or fact.mode not in _DECIDED or fact.author is None or seen:
        return None
    if log_since is None or fact.at - log_since < timedelta(days=rules.rare_days):
        return None
    return _found("rare-actor", fact, fact.author, days=rules.rare_days)


def policy_change(fact: Fact) -> Found | None:
    """What is asked of changes was changed: pressing when it was weakened, as the entry's detail says."""
    if fact.action != "change_request.applied":
        return None
    operations = frozenset(fact.detail.get("operations", ()))
    if POLICY_OPERATIONS.isdisjoint(operations):
        return None
    weakened = bool(fact.detail.get("weakened")) or "environment.unprotect" in operations
    caused_by = fact.ours | frozenset(fact.approvers)
    return _found(
        "policy-change",
        fact,
        fact.object_of("policy") or fact.object_of("environment") or fact.actor,
        severity="high" if weakened else "medium",
        caused_by=caused_by,
        weakened="yes" if weakened else "no",
    )


def preset_chosen(fact: Fact, *, before: int, after: int) -> Found | None:
    """What new projects ask for was chosen anew by one person: pressing when it is weaker. Strengths of presets."""
    if fact.action != "enforcement.preset_chosen" or before == after:
        return None
    weakened = after < before
    return _found(
        "policy-change",
        fact,
        fact.actor,
        severity="high" if weakened else "medium",
        weakened="yes" if weakened else "no",
    )


def approvers_widened(fact: Fact, *, named: bool) -> Found | None:
    """Somebody joined a group from which a policy asks for an approval: one person alone said who may give it.
    ``named``: whether a policy names the group, or it owns a flag whose owner may approve.
    """
    if fact.action != "group.member_added" or not named:
        return None
    joined = frozenset({str(fact.detail.get("person", "")), *map(str, fact.detail.get("people", ()))} - {""})
    return _found(
        "policy-change",
        fact,
        str(fact.detail["group"]),
        caused_by=fact.ours | joined,
        joined="yes",
    )


def hasty_approval(
    fact: Fact, *, author: str, submitted: datetime | None, opened: bool | None, rules: Rules
) -> Found | None:
    """Somebody approved seconds after it was put up, or without having opened the request's page in that round.

    ``opened`` None: nobody knows (what was opened is forgotten after a while). ``submitted``: when this round was put
    up. Whoever approved is who caused it; the ``author`` is not asked to judge them either.
    """
    if fact.action != "change_request.approved":
        return None
    seconds = None if submitted is None else int((fact.at - submitted).total_seconds())
    quick = seconds is not None and seconds < rules.hasty_seconds
    if not quick and opened is not False:
        return None
    more: dict[str, Any] = {"opened": "no" if opened is False else "yes"}
    if seconds is not None:
        more["seconds"] = seconds
    return _found("hasty-approval", fact, fact.actor, caused_by=frozenset({fact.actor, author}), **more)


def fresh_key(fact: Fact, *, made_at: datetime | None) -> Found | None:
    """Somebody signed an approval with a key that is hardly older than the signature, as whoever took over a session
    would. ``made_at``: when the key became one that signs; None for an approval without a signature.
    """
    if fact.action != "change_request.approved" or made_at is None or not fact.at - made_at < FRESH_KEY:
        return None
    minutes = max(0, int((fact.at - made_at).total_seconds()) // 60)
    return _found("fresh-key", fact, fact.actor, minutes=minutes)


def reciprocal_approvals(fact: Fact, *, window: Iterable[Fact], rules: Rules) -> Found | None:
    """This change's author and an approver of it approve each other's changes, and hardly anybody else does.

    ``window``: changes that applied within 30 days before, and this one.
    """
    author = fact.author
    if not fact.applied or author is None or not fact.approvers:
        return None
    since = fact.at - RECIPROCAL_WINDOW
    by_whom: dict[str, Counter[str]] = {}
    seqs: dict[tuple[str, str], list[int]] = {}
    for one in window:
        if one.applied and one.author is not None and since <= one.at and one.seq <= fact.seq:
            for approver in one.approvers:
                by_whom.setdefault(one.author, Counter())[approver] += 1
                seqs.setdefault((one.author, approver), []).append(one.seq)
    for other in fact.approvers:
        there, back = by_whom.get(author, Counter()), by_whom.get(other, Counter())
        least = min(there[other], back[author])
        if least < rules.reciprocal_least:
            continue
        share = min(100 * there[other] // there.total(), 100 * back[author] // back.total())
        if share >= rules.reciprocal_percent:
            evidence = tuple(sorted({*seqs[author, other], *seqs[other, author]}))
            pair = sorted((author, other))
            return _found(
                "reciprocal-approvals",
                fact,
                "+".join(pair),
                caused_by=frozenset(pair),
                evidence=evidence,
                percent=share,
                each=least,
            )
    return None


def break_glass(fact: Fact) -> Found | None:
    """A change in an emergency, or the sealed emergency access."""
    if fact.action in {"break_glass.opened", "break_glass.used", "emergency.unsealed"} or (
        fact.action == "change_request.applied" and fact.mode == "break-glass"
    ):
        return _found("break-glass", fact, fact.actor)
    return None


def sign_in_weakened(fact: Fact, *, before: SignInRules, after: SignInRules) -> Found | None:
    """The rules of signing in ask for less than before."""
    if fact.action not in {"sign_in_rules.changed", "sign_in_rules.reset"}:
        return None
    less = lessened(before, after)
    return _found("sign-in-weakened", fact, "sign-in", members=", ".join(less)) if less else None


def provider_released(fact: Fact) -> Found | None:
    """People need not sign in through their identity provider any more."""
    if fact.action != "provider.released":
        return None
    subject = fact.object_of("identity_provider") or fact.actor
    return _found("sign-in-weakened", fact, subject, members="provider")


def lessened(before: SignInRules, after: SignInRules) -> tuple[str, ...]:
    """Members of the rules of signing in that protect less than before."""
    found = []
    if _LOCALS[after.local] > _LOCALS[before.local]:
        found.append("local")
    if _DEMANDS[after.factor] < _DEMANDS[before.factor]:
        found.append("factor")
    if before.passkeys and not after.passkeys:
        found.append("passkeys")
    for name in ("networks", "service_networks"):
        old, new = frozenset(getattr(before, name)), frozenset(getattr(after, name))
        if old and (not new or new - old):
            found.append(name)
    return tuple(found)


def wide_token(fact: Fact, *, state: dict[str, Any], lives: timedelta | None, rules: Rules) -> Found | None:
    """A token that was narrowed in nothing and lives long. ``state``: the token's; ``lives`` None: for ever."""
    if fact.action == "token.created":
        wide = state.get("permissions") is None and not state.get("project")
    elif fact.action == "client_token.created":
        wide = "*" in state.get("projects", ())
    else:
        return None
    if not wide or (lives is not None and lives <= timedelta(days=rules.wide_token_days)):
        return None
    kind = "token" if fact.action == "token.created" else "client_token"
    more: dict[str, Any] = {} if lives is None else {"days": lives.days}
    return _found("wide-token", fact, fact.object_of(kind) or fact.actor, **more)


def drift(fact: Fact) -> Found | None:
    """The daily comparison found that rows differ from the log."""
    if fact.action != "drift.checked" or not fact.detail.get("mismatches"):
        return None
    return _found("drift", fact, "log", mismatches=int(fact.detail["mismatches"]))


def monitoring_changed(fact: Fact) -> Found | None:
    """The detectors' settings: pressing when less is noticed than before. Or which Prometheus safeguards believe."""
    if fact.action == "prometheus.chosen":
        return _found("monitoring-changed", fact, "prometheus", severity="medium", source="prometheus")
    if fact.action != "monitoring_rules.changed":
        return None
    duller = fact.detail.get("dulled", ())
    more = {"members": ", ".join(duller)} if duller else {}
    return _found("monitoring-changed", fact, "monitoring", severity="high" if duller else "low", **more)


def safeguard(fact: Fact) -> Found | None:
    """A safeguard acted, or could not."""
    if fact.action != "safeguard.fired":
        return None
    outcome = str(fact.detail.get("outcome", ""))
    subject = str(fact.detail.get("safeguard", fact.actor))
    kind = "safeguard-failed" if outcome == "failed" else "safeguard-fired"
    return _found(kind, fact, subject, caused_by=frozenset(), outcome=outcome)
