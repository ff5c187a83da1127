"""Following the log with the detectors: every entry is judged once, in order, also after days without a worker.

What a batch finds, and how far the cursor moved, commit together: after a crash the batch is judged again, and what it
raised the first time was never there. Entries are numbered without a gap in the order in which they commit, so that
nothing appears behind the cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from ensign.control.flags import queries as flags
from ensign.control.identity.rules import Rules as SignInRules
from ensign.control.identity.rules import from_state
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import history, raising, settings
from ensign.control.monitoring.domain import detectors
from ensign.control.monitoring.domain.facts import Fact, Found
from ensign.control.monitoring.domain.rules import Rules
from ensign.control.monitoring.history import History
from ensign.control.monitoring.models import Cursor
from ensign.control.projects import enforcement, policies, presets

CURSOR: Final = "log"
BATCH: Final = 500
#: Batches of one turn of the worker, so that its other tasks come in between.
TURN: Final = 20


def follow(*, at: datetime) -> int:
    """Judge what the log has that was not judged yet, a bounded number of batches; returns how many entries."""
    done = 0
    for _ in range(TURN):
        judged = batch(at=at)
        done += judged
        if judged < BATCH:
            break
    return done


def batch(*, at: datetime) -> int:
    """Judge up to 500 entries and move the cursor; returns how many. None when another process was faster."""
    start = position()
    facts = history.facts(start=start, limit=BATCH)
    if not facts:
        return 0
    rules = settings.present().rules
    past = History(facts[0], facts[-1])
    found = [one for fact in facts for one in judged(fact, past, rules=rules, at=at)]
    with write_door():
        cursor, _ = Cursor.objects.select_for_update().get_or_create(pk=CURSOR, defaults={"seq": 0})
        if cursor.seq != start:
            return 0
        cursor.seq = facts[-1].seq + 1
        cursor.save()
        raising.raise_all(found, at=at)
    return len(facts)


def position() -> int:
    """The number of the first entry that was not judged."""
    return Cursor.objects.filter(pk=CURSOR).values_list("seq", flat=True).first() or 0


def judged(fact: Fact, past: History, *, rules: Rules, at: datetime) -> Iterator[Found]:
    """What the detectors that are switched on say about an entry."""
    for found in _asked(fact, past, rules=rules, at=at):
        if found is not None and rules.watches(found.kind):
            yield found


def _asked(fact: Fact, past: History, *, rules: Rules, at: datetime) -> Iterator[Found | None]:
    yield detectors.break_glass(fact)
    yield detectors.drift(fact)
    yield detectors.monitoring_changed(fact)
    yield detectors.provider_released(fact)
    yield detectors.safeguard(fact)
    match fact.action:
        case "change_request.applied":
            yield from _applied(fact, past, rules=rules)
        case "change_request.approved":
            yield _approved(fact, rules=rules, at=at)
            if rules.watches("fresh-key"):
                yield detectors.fresh_key(fact, made_at=history.key_made_at(fact))
        case "sign_in_rules.changed" | "sign_in_rules.reset":
            before, after = history.state_before(fact, "sign_in_rules"), history.state_after(fact, "sign_in_rules")
            yield detectors.sign_in_weakened(
                fact,
                before=from_state(before) if before else SignInRules(),
                after=from_state(after) if after else SignInRules(),
            )
        case "token.created" | "client_token.created":
            yield _token(fact, rules=rules)
        case "enforcement.preset_chosen":
            yield _preset(fact)
        case "group.member_added":
            group = str(fact.detail.get("group", ""))
            named = policies.name_group(group) or flags.owns(group, projects=policies.projects_asking_owners())
            yield detectors.approvers_widened(fact, named=named)


def _applied(fact: Fact, past: History, *, rules: Rules) -> Iterator[Found | None]:
    yield detectors.policy_change(fact)
    if not fact.applied:
        return
    yield detectors.off_hours(fact, rules=rules)
    if rules.watches("mass-change"):
        yield detectors.mass_change(fact, earlier=past.window, rules=rules)
    if rules.watches("reciprocal-approvals") and fact.approvers:
        yield detectors.reciprocal_approvals(fact, window=past.window, rules=rules)
    if rules.watches("rare-actor") and fact.author is not None:
        seen = past.seen(fact.author, before=fact, within=timedelta(days=rules.rare_days))
        since = None if seen else past.log_since()
        yield detectors.rare_actor(fact, seen=seen, log_since=since, rules=rules)


def _approved(fact: Fact, *, rules: Rules, at: datetime) -> Found | None:
    if not rules.watches("hasty-approval"):
        return None
    author = history.state_after(fact, "change_request").get("author", "")
    return detectors.hasty_approval(
        fact,
        author=str(author),
        submitted=history.submitted_at(fact),
        opened=history.opened(fact, at=at),
        rules=rules,
    )


def _preset(fact: Fact) -> Found | None:
    before, after = history.state_before(fact, "enforcement"), history.state_after(fact, "enforcement")
    old = presets.preset(before["preset"]) if before else enforcement.from_set_up().preset
    return detectors.preset_chosen(fact, before=old.strength, after=presets.preset(after["preset"]).strength)


def _token(fact: Fact, *, rules: Rules) -> Found | None:
    if not rules.watches("wide-token"):
        return None
    state = history.state_after(fact, "token" if fact.action == "token.created" else "client_token")
    if not state:
        return None
    ends = state.get("expires_at")
    lives = None if ends is None else clock.parse(ends) - fact.at
    return detectors.wide_token(fact, state=state, lives=lives, rules=rules)
