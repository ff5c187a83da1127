"""What a project, an environment and a policy are, and the proof that a change was approved; no Django, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects.demands import NOTHING, ChangeFacts, Demand, Freeze, Rule, joined

#: After how many days without applying a request expires, where a policy says nothing else.
REQUEST_DAYS = 30

#: URL-friendly, and without ``.`` and ``:``, which SDKs use to cut the environment out of a token.
_KEY = re.compile(r"[A-Za-z0-9_~-]{1,100}\Z")
#: Words that stand where a key would in an address.
RESERVED_KEYS = frozenset({"new", "defaults", "explain"})


def check_key(key: str, *, field: str = "key") -> str:
    """``key``, trimmed, when it may name a project, environment or segment.

    :raises Invalid: naming ``field``.
    """
    trimmed = key.strip()
    if not _KEY.match(trimmed):
        length = f" It has {len(trimmed)} characters." if len(trimmed) > 100 else ""
        raise Invalid(
            "This key cannot be used.",
            fields={field: f"Use 1 to 100 letters, digits, hyphens, underscores or tildes.{length}"},
        )
    if trimmed in RESERVED_KEYS:
        raise Invalid("This key cannot be used.", fields={field: f"“{trimmed}” is an address of Ensign's own."})
    return trimmed


def check_name(name: str, *, field: str = "name", limit: int = 200) -> str:
    """``name``, trimmed, when it is 1 to ``limit`` characters without control characters.

    :raises Invalid: naming ``field``.
    """
    trimmed = name.strip()
    if not trimmed:
        raise Invalid("A name is missing.", fields={field: "Write a name."})
    return check_text(trimmed, field=field, limit=limit)


def check_text(text: str, *, field: str, limit: int = 2000) -> str:
    """``text``, trimmed, when it has at most ``limit`` characters, none of them a control character but new lines.

    :raises Invalid: naming ``field``.
    """
    trimmed = text.strip().replace("\r\n", "\n")
    if len(trimmed) > limit:
        raise Invalid("A text is too long.", fields={field: f"It has {len(trimmed):,} characters; {limit:,} fit."})
    if any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) <= 0xDFFF or ord(c) == 127 for c in trimmed):
        raise Invalid("A text cannot be stored.", fields={field: "Remove the control characters."})
    return trimmed


def check_version(current: int, expected: int | None) -> None:
    """Refuse to go on when the caller has seen another version (``If-Match``). Call it with the row locked.

    :raises Conflict: with the code ``precondition-failed``.
    """
    if expected is not None and expected != current:
        raise Conflict(
            f"You have seen version {expected}; it is at version {current} now. Nothing was written.",
            remedy="Read it again, look at what changed and make your change on top of it.",
            code="precondition-failed",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRules:
    """What a change must meet in one environment.

    ``approvals`` is how many other people must approve; nobody ever approves what they wrote or edited.
    ``compensating_control`` states what is done instead where a protected environment asks for none.
    ``enforced_since`` is when these rules began (RFC 3339), empty while nothing is demanded.

    ``further`` is what every change must have besides (its ``approvals`` and ``requires_reason`` are those above);
    ``rules`` add to it for changes of a kind. ``freezes``: when nothing applies. ``request_days``: after so many days
    without applying, a request expires. ``delay_hours``: how long after its approval another policy takes effect.
    """

    approvals: int = 0
    apply_on_last_approval: bool = False
    requires_reason: bool = False
    compensating_control: str = ""
    preset: str = ""
    enforced_since: str = ""
    further: Demand = NOTHING
    rules: tuple[Rule, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    request_days: int = REQUEST_DAYS
    delay_hours: int = 0

    @property
    def always(self) -> Demand:
        """What every change of the environment must have."""
        plain = Demand(approvals=self.approvals, requires_reason=self.requires_reason)
        return self.further.join(plain)

    def demand(self, facts: ChangeFacts | None) -> Demand:
        """What a change must have. Where nothing is known of it (None) every rule holds, and for what changes the
        demands themselves: nobody takes away a rule with less than the rule asks for.
        """
        every = facts is None or facts.governs
        held = [rule.demand for rule in self.rules if every or (facts is not None and rule.when.holds(facts))]
        return joined([self.always, *held])

    @property
    def conditional(self) -> bool:
        """Whether what is asked depends on the change, so that its facts are needed."""
        return bool(self.rules)

    def to_state(self) -> dict[str, Any]:
        """JSON form (without project and environment)."""
        return {
            **{name: getattr(self, name) for name in PolicyRules.__slots__},
            "further": self.further.to_state(),
            "rules": [rule.to_state() for rule in self.rules],
            "freezes": [freeze.to_state() for freeze in self.freezes],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> PolicyRules:
        """The inverse of :meth:`to_state`; further keys are ignored, what older policies lack has its default."""
        known = {name: state[name] for name in PolicyRules.__slots__ if name in state}
        known["further"] = Demand.from_state(state.get("further", {}))
        known["rules"] = tuple(Rule.from_state(rule) for rule in state.get("rules", ()))
        known["freezes"] = tuple(Freeze.from_state(freeze) for freeze in state.get("freezes", ()))
        return PolicyRules(**known)


#: The most approvals that can be asked for.
MAX_APPROVALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedChange:
    """The proof that ``changes`` found what the policy asks for. Only ``changes`` makes one (a test holds that).

    ``change`` is the change request's id, ``digest`` that of the operations that apply, ``environments`` the keys of
    all environments that the change may alter, ``approvers`` the ids of who approved.
    """

    change: str
    digest: str
    project: str
    environments: frozenset[str]
    approvers: tuple[str, ...] = ()

    def require(self, *, project: str, environments: Iterable[str]) -> None:
        """Refuse what this approval does not cover: a programming error, never a user's."""
        missing = sorted(set(environments) - self.environments)
        if project != self.project or missing:
            raise PermissionError(f"change {self.change} is not approved for {project}/{', '.join(missing) or '*'}")
