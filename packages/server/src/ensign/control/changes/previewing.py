"""What a proposal would do and what it would need, without writing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import held
from ensign.control.changes.compiling import compile_operations
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.diff import Row, diff
from ensign.control.changes.domain.requests import PolicyInForce
from ensign.control.changes.loading import policy_of, reached
from ensign.control.changes.queries import told
from ensign.control.changes.rights import may_apply, require_to_draft
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import policies
from ensign.control.projects import queries as projects


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A proposal in its canonical form, its effect, and what becomes of it. ``applies``: at once, for this actor."""

    operations: tuple[Operation, ...]
    sentences: tuple[str, ...]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    digest: str
    base: Mapping[str, int]
    policy: PolicyInForce
    applies: bool

    @property
    def verdict(self) -> str:
        """What becomes of it, in a sentence."""
        where = ", ".join(self.policy.environments)
        if self.applies:
            return f"It would apply at once: the policy of {where} asks for no approval."
        if self.policy.required == 0:
            return f"It would become a request that somebody who may apply changes in {where} applies."
        people = "one other person" if self.policy.required == 1 else f"{self.policy.required} other people"
        return f"It would become a request that {people} must approve first ({where})."


def preview(*, actor: Actor, at: datetime, project: str, environment: str, operations: Sequence[Operation]) -> Preview:
    """The same checks as :func:`ensign.control.changes.operations.propose`; nothing is written.

    :raises Denied, Invalid, Conflict, NotFound: as it would.
    """
    projects.environment(project, environment)
    rights = held(actor, at=at)
    require_to_draft(rights, project=project, environment=environment, operations=operations)
    with write_door():  # the pre-flight locks what an apply would lock
        compiled = compile_operations(project=project, environment=environment, operations=operations, at=at)
    keys = reached(project=project, environment=environment, operations=compiled.operations)
    found = policies.policies_of(project, keys)
    policy = policy_of(found, compiled.before, compiled.after, compiled.operations, at=at)
    said, rows = told(algebra.describe_all(compiled.before, compiled.operations), diff(compiled.before, compiled.after))
    may = may_apply(rights, project=project, environments=keys, operations=compiled.operations)
    return Preview(
        operations=compiled.operations,
        sentences=said,
        rows=rows,
        warnings=compiled.warnings,
        digest=compiled.digest,
        base=compiled.base,
        policy=policy,
        applies=policy.required == 0 and may,
    )
