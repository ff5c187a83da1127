"""What it takes to draft, apply and approve a change: permissions of every operation, for every flag that it touches.

A grant may be narrowed to flags of some types or tags. So each question names the flag that it is about; what touches
no flag (a segment, a policy) is asked without one, and narrowed grants do not answer it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from ensign.control.access.decisions import Held
from ensign.control.access.domain import FlagFacts, Scope
from ensign.control.access.permissions import Level, Permission
from ensign.control.audit.rows import rows
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.classing import classified, classifying
from ensign.control.changes.domain.requests import ChangeRequest, Mode
from ensign.control.flags.domain import FlagInfo
from ensign.control.flags.models import Flag
from ensign.control.flags.operations import require_to_classify

SETTINGS = frozenset({"policy.set", "environment.protect", "environment.unprotect"})

#: The operation that changes what conditions of policies go by.
CLASSIFY = "flag.classify"

#: What an operation takes besides ``change:draft``. Every operation type that is no setting stands here.
NEEDS: Mapping[str, Permission] = MappingProxyType(
    {
        "flag.enable": Permission.CHANGE_SWITCH,
        "flag.disable": Permission.CHANGE_SWITCH,
        "flag.archive": Permission.FLAG_ARCHIVE,
        "flag.revive": Permission.FLAG_REVIVE,
        "flag.set_impressions": Permission.CHANGE_IMPRESSIONS,
        CLASSIFY: Permission.FLAG_CLASSIFY,
        "strategy.add": Permission.CHANGE_STRATEGY_ADD,
        "strategy.update": Permission.CHANGE_STRATEGY_UPDATE,
        "strategy.reorder": Permission.CHANGE_STRATEGY_UPDATE,
        "ramp.plan": Permission.CHANGE_STRATEGY_UPDATE,
        "strategy.remove": Permission.CHANGE_STRATEGY_REMOVE,
        "variants.set": Permission.CHANGE_VARIANTS,
        "dependency.set": Permission.CHANGE_DEPENDENCIES,
        "dependency.remove": Permission.CHANGE_DEPENDENCIES,
        "segment.set": Permission.CHANGE_SEGMENTS,
        "segment.map": Permission.CHANGE_SEGMENTS,
    }
)


def flags_of(operations: Iterable[Operation]) -> frozenset[str | None]:
    """Keys of the flags that the operations touch; None among them when one touches something else, and alone when
    there is nothing to touch: what names no flag is never covered by a narrowed grant.
    """
    refs = [ref for operation in operations for ref in operation.touches("")]
    return frozenset(ref.key if ref.kind in {"flag", "config"} else None for ref in refs) or frozenset({None})


def stored_facts(keys: Collection[str | None]) -> Mapping[str | None, FlagFacts]:
    """The facts of flags as they are stored, by key (keys are unique in all projects); None has none."""
    wanted = {key for key in keys if key is not None}
    return {str(row.key): FlagInfo.from_state(row.state).facts for row in rows(Flag, key=wanted)}


def facts_of(flags: Mapping[str, FlagInfo], operations: Iterable[Operation]) -> frozenset[FlagFacts | None]:
    """The facts of all that the operations touch, from flags that were read; None for what is no flag of these.

    What changes a flag's class is about the flag as it is and as it would be.
    """
    known = (flags.get(key) if key is not None else None for key in flags_of(operations))
    made = {classified(flags[o.flag], o).facts for o in classifying(operations) if o.flag in flags}
    return frozenset(None if info is None else info.facts for info in known) | made


def seen_by(rights: Held, operations: Iterable[Operation]) -> frozenset[FlagFacts | None]:
    """:func:`facts_of` flags as they are stored; nothing is read where no grant is narrowed, as it decides nothing."""
    keys = flags_of(operations)
    if not rights.narrowed:
        return frozenset({None})
    stored = stored_facts(keys)
    return frozenset(stored.get(key) for key in keys)


def require_to_draft(
    rights: Held,
    *,
    project: str,
    environment: str,
    operations: Sequence[Operation],
    replaced: Sequence[Operation] = (),
) -> None:
    """What somebody needs to write these operations into a request.

    ``replaced`` are the operations that stood there before: taking away what is about a flag is editing it, too.

    :raises Denied: when it is lacking.
    """
    place = Scope(project, environment)
    stored = stored_facts(flags_of([*operations, *replaced])) if rights.narrowed else {}
    asked: dict[tuple[Permission, Scope], None] = {}
    if any(operation.type in SETTINGS for operation in operations):
        asked[Permission.PROJECT_POLICY_PROPOSE, Scope(project)] = None
    written = [operation for operation in operations if operation.type not in SETTINGS]
    for operation in written:
        need = NEEDS[operation.type]
        where = Scope(project) if need.level is Level.PROJECT else place
        for key in flags_of([operation]):
            asked[need, where.of_flag(stored.get(key))] = None
    touched = [*written, *(operation for operation in replaced if operation.type not in SETTINGS)]
    if touched:
        for key in flags_of(touched):
            asked[Permission.CHANGE_DRAFT, place.of_flag(stored.get(key))] = None
    elif not operations and not rights.allows_some(Permission.CHANGE_DRAFT, place):
        asked[Permission.CHANGE_DRAFT, place] = None
    for permission, scope in asked:
        rights.require(permission, scope)
    for one in classifying(operations):
        row = rows(Flag, key=one.flag, project=project)
        if row:
            info = FlagInfo.from_state(row[0].state)
            require_to_classify(rights, info, classified(info, one))


def apply_scopes(
    *, project: str, environments: Sequence[str], facts: Collection[FlagFacts | None]
) -> tuple[Scope, ...]:
    """Everywhere, and for each flag, that a change has effect: where approving and applying it is asked for."""
    return tuple(Scope(project, key, one) for key in environments for one in facts)


#: What applying takes where it is not the right to apply.
_BY_MODE: Mapping[Mode, Permission] = MappingProxyType(
    {"standard": Permission.FLAG_KILL, "break-glass": Permission.CHANGE_BREAK_GLASS}
)


def require_to_apply(
    rights: Held,
    request: ChangeRequest,
    *,
    environments: Sequence[str],
    facts: Collection[FlagFacts | None],
    mode: Mode = "request",
    back: bool = False,
) -> None:
    """What somebody needs to apply what has the approvals that the policy asks for: in every environment reached.

    Whoever proposes policies applies an approved one, though they may change nothing else. A standard change takes
    the right to press the kill switch instead, an emergency change that to break the glass, and rolling a ramp ``back``
    the right to pause it.

    :raises Denied: when it is lacking.
    """
    settings_alone = {operation.type for operation in request.operations} <= SETTINGS
    if settings_alone and rights.allows(Permission.PROJECT_POLICY_PROPOSE, Scope(request.project)):
        return
    permission = Permission.RAMP_PAUSE if back else _BY_MODE.get(mode, Permission.CHANGE_APPLY)
    for scope in apply_scopes(project=request.project, environments=environments, facts=facts):
        rights.require(permission, scope)


def may_apply(rights: Held, *, project: str, environments: Sequence[str], operations: Sequence[Operation]) -> bool:
    """Whether they may apply these in all ``environments`` once nothing is asked for any more."""
    if {operation.type for operation in operations} <= SETTINGS:
        return rights.allows(Permission.PROJECT_POLICY_PROPOSE, Scope(project))
    scopes = apply_scopes(project=project, environments=environments, facts=seen_by(rights, operations))
    return all(rights.allows(Permission.CHANGE_APPLY, scope) for scope in scopes)


def may_edit(rights: Held, request: ChangeRequest) -> bool:
    """Whether to offer editing it: they may draft for all that it touches, or propose policies."""
    place = Scope(request.project, request.environment)
    return rights.allows(Permission.PROJECT_POLICY_PROPOSE, Scope(request.project)) or all(
        rights.allows(Permission.CHANGE_DRAFT, place.of_flag(one)) for one in seen_by(rights, request.operations)
    )


def may_stop(rights: Held, request: ChangeRequest, *, environments: Sequence[str]) -> bool:
    """Whether they may send back or reject it: for all that it touches, in any environment that it reaches."""
    facts = seen_by(rights, request.operations)
    return any(
        all(rights.allows(Permission.CHANGE_REVIEW, Scope(request.project, key, one)) for one in facts)
        for key in environments
    )
