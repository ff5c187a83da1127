"""Everything that would stand in a change's way, said before it is submitted: what, by which control, and what to do.

It asks what submission and apply ask, with the same words, and adds what no gate knows: who could approve, and which
other open requests are about the same things. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ensign.control.access.decisions import held
from ensign.control.changes import asking, gates, queries
from ensign.control.changes.compiling import Compiled, compile_operations
from ensign.control.changes.domain import algebra, trust
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.diff import Row, diff
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.drafting import new_request
from ensign.control.changes.gates import Asked
from ensign.control.changes.loading import judges, load, policy_of, reached
from ensign.control.changes.rights import may_apply, require_to_draft
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import policies
from ensign.control.projects import queries as projects
from ensign.control.projects.knowing import UNMEETABLE

#: ``blocks``: it cannot be submitted. ``waits``: it can be submitted, and cannot apply before this is there.
Level = Literal["blocks", "waits", "warns"]
#: Controls that the write door keeps by itself: an approval before the apply, and that nothing moved since.
_APPROVAL, _STALE = "CM-01", "CM-04"
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that stands in the way, or should be known. ``rule`` is the control that it would break, or empty."""

    level: Level
    code: str
    message: str
    remedy: str = ""
    rule: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found. ``policy`` is None when the change makes no sense as it is, so that nothing can be asked."""

    findings: tuple[Finding, ...]
    policy: PolicyInForce | None = None
    approvers: tuple[asking.Candidate, ...] = ()
    sentences: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    compiled: Compiled | None = None
    submitted: bool = False

    @property
    def blocked(self) -> bool:
        """Whether it could not be submitted as it is."""
        return any(finding.level == "blocks" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """What would become of it, in a sentence."""
        if self.blocked:
            return "It cannot apply as it is." if self.submitted else "It cannot be submitted yet."
        if any(finding.level == "waits" for finding in self.findings):
            begin = "It is submitted" if self.submitted else "It can be submitted"
            return f"{begin}, and applies once what it waits for is there."
        return "Nothing stands in its way."


def check(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    operations: Sequence[Operation],
    title: str = "",
    reason: str = "",
    tickets: Sequence[str] = (),
) -> Report:
    """What would stand in the way of proposing ``operations``.

    :raises NotFound: when there is no such environment.
    """
    projects.environment(project, environment)
    return _check(
        actor=actor, at=at, project=project, environment=environment, operations=operations,
        given=None, title=title, reason=reason, tickets=tickets,
    )  # fmt: skip


def check_request(request: ChangeRequest, *, actor: Actor, at: datetime) -> Report:
    """What stands in the way of an open request, as it is."""
    return _check(
        actor=actor, at=at, project=request.project, environment=request.environment, operations=request.operations,
        given=request, title=request.title, reason=request.reason, tickets=request.tickets,
    )  # fmt: skip


def _check(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    operations: Sequence[Operation],
    given: ChangeRequest | None,
    title: str,
    reason: str,
    tickets: Sequence[str],
) -> Report:
    try:
        if given is None:
            require_to_draft(held(actor, at=at), project=project, environment=environment, operations=operations)
        with write_door():  # the pre-flight locks what an apply would lock
            compiled = compile_operations(project=project, environment=environment, operations=operations, at=at)
    except EnsignError as error:
        said = [text for text in (error.fields or {}).values() if text not in error.message]
        message = " ".join([error.message, *said])
        moved = _moved(given) if given is not None else ()
        return Report(findings=(*moved, Finding(level="blocks", code=error.code, message=message, remedy=error.remedy)))
    request = given or new_request(compiled, actor=actor, at=at, title=title, reason=reason, tickets=tickets)
    keys = reached(project=project, environment=environment, operations=compiled.operations)
    found = policies.policies_of(project, keys)
    policy = policy_of(found, compiled.before, compiled.after, compiled.operations, at=at)
    people = asking.candidates(request, at=at, policy=policy) if policy.required else []
    able = tuple(c for c in people if c.entitled and not c.group)
    words = algebra.describe_all(compiled.before, compiled.operations)
    sentences, rows = queries.told(words, diff(compiled.before, compiled.after))
    return Report(
        findings=(
            *_moved(request),
            *_gates(request, compiled, policy, at=at),
            *_approvals(request, compiled, policy, able, keys=keys, at=at),
            *_apply(actor, request, policy, keys=keys, at=at),
            *_others(request, actor=actor),
            *_warned(compiled),
        ),
        policy=policy,
        approvers=able,
        sentences=sentences,
        rows=rows,
        compiled=compiled,
        submitted=given is not None and given.status not in {"draft", "changes_requested"},
    )


def _moved(request: ChangeRequest) -> tuple[Finding, ...]:
    refs = [Ref.parse(name) for name in request.base]
    now = load(project=request.project, environment=request.environment, refs=refs).versions
    moved = trust.moved(request, now)
    if not moved:
        return ()
    names = ", ".join(sorted({Ref.parse(name).key or Ref.parse(name).environment for name in moved}))
    return (
        Finding(
            level="waits",
            code="conflicted",
            message=f"Somebody else changed {names} after this was written.",
            remedy="Carry it over to what is there now (rebase), line by line.",
            rule=_STALE,
        ),
    )


def _caution(text: str) -> Finding:
    if text.startswith(UNMEETABLE):
        return Finding(level="warns", code="unmeetable", message=text.removeprefix(UNMEETABLE))
    return Finding(level="warns", code="personal-data", message=f"This may hold personal data: {text}")


def _gates(request: ChangeRequest, compiled: Compiled, policy: PolicyInForce, *, at: datetime) -> list[Finding]:
    asked = Asked(
        request=replace(request, operations=compiled.operations, base=compiled.base, digest=compiled.digest),
        policy=policy, before=compiled.before, after=compiled.after, mode="request", at=at, phase="preview",
    )  # fmt: skip
    return [
        Finding(
            level="blocks" if one.blocks == "submit" else "waits",
            code=one.code,
            message=one.message,
            remedy=one.remedy,
            rule=one.rule,
        )
        for one in gates.blockers(asked)
    ]


def _approvals(
    request: ChangeRequest,
    compiled: Compiled,
    policy: PolicyInForce,
    able: Sequence[asking.Candidate],
    *,
    keys: Sequence[str],
    at: datetime,
) -> list[Finding]:
    """How many approvals are missing, and who could give them; when too few people can, it would wait for ever."""
    people = judges(request, environments=keys, flags=compiled.before.flags, at=at)
    verdict = trust.verdict(request, at=at, policy=policy, judges=people)
    if verdict.enough:
        return []
    gave = {approval.person for approval in verdict.counted}
    left = [c for c in able if c.id not in gave]
    where = ", ".join(policy.environments)
    asked = f"{' '.join(verdict.lacks)} By people who had no part in it ({where})."
    if len(left) < verdict.missing:
        return [
            Finding(
                level="waits",
                code="nobody-to-approve",
                message=f"{asked} {_who(left)}",
                remedy="An administrator can give somebody the role approver there.",
                rule=_APPROVAL,
            )
        ]
    return [Finding(level="waits", code="not-approved", message=asked, remedy=_who(left), rule=_APPROVAL)]


def _who(able: Sequence[asking.Candidate]) -> str:
    if not able:
        return "Nobody but its authors may approve it."
    names = [c.name for c in able[:_NAMED]]
    more = len(able) - len(names)
    return f"May approve: {', '.join(names)}{f' and {more} more' if more else ''}."


def _apply(
    actor: Actor, request: ChangeRequest, policy: PolicyInForce, *, keys: Sequence[str], at: datetime
) -> list[Finding]:
    rights = held(actor, at=at)
    if may_apply(rights, project=request.project, environments=keys, operations=request.operations):
        return []
    return [
        Finding(
            level="warns",
            code="cannot-apply",
            message=f"You may not apply changes in {', '.join(policy.environments)}.",
            remedy="Who approves it, and may, applies it.",
        )
    ]


def _others(request: ChangeRequest, *, actor: Actor) -> list[Finding]:
    """Other open requests about the same things: whichever applies first makes the other one a conflict."""
    mine = algebra.touched(request.environment, request.operations)
    found = []
    for row in queries.open_requests(request.project):
        other = row.request
        if other.id == request.id or (other.status == "draft" and other.author != actor.id):
            continue
        shared = mine & algebra.touched(other.environment, other.operations)
        if shared:
            names = ", ".join(sorted(ref.key or ref.environment for ref in shared))
            whose = "Your draft" if other.status == "draft" else f"“{other.title}” ({other.status.replace('_', ' ')})"
            found.append(
                Finding(
                    level="warns",
                    code="same-objects",
                    message=f"{whose} is about {names}, too.",
                    remedy="Whichever applies first, the other must be carried over to it.",
                    href=f"/requests/{other.id}",
                )
            )
    return found


def _warned(compiled: Compiled) -> list[Finding]:
    found = []
    for text in compiled.warnings:
        if text.startswith(UNMEETABLE):
            message = f"Nobody could meet this policy: {text.removeprefix(UNMEETABLE)}"
            found.append(Finding(level="warns", code="unmeetable", message=message))
        else:
            found.append(Finding(level="warns", code="personal-data", message=f"This may hold personal data: {text}"))
    return found


def retold(request: ChangeRequest, *, title: str, reason: str, tickets: Sequence[str]) -> ChangeRequest:
    """A request with other words, as they are being typed; never written."""
    return replace(request, title=title, reason=reason, tickets=tuple(tickets))


LEVELS: Mapping[Level, str] = {"blocks": "Stops it", "waits": "It waits for this", "warns": "Worth knowing"}
