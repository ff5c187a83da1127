"""Many flags at once: one act on each, as one change through the one write door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.changes.domain import bulk
from ensign.control.changes.domain.bulk import ACTS, MAX_OPERATIONS, Act, Plan
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.drafting import Proposed, Wish, propose
from ensign.control.changes.loading import load
from ensign.control.changes.previewing import Preview, preview
from ensign.control.flags.surroundings import children
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import queries as projects


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPreview:
    """What it would do: a preview of the change (None when nothing is left to do), and which flags it leaves alone."""

    plan: Plan
    seen: Preview | None


def _plan(rights: Held, *, project: str, environment: str, flags: Sequence[str], act: str, percent: int | None) -> Plan:
    """The plan on the state as it is.

    :raises Denied: without the right to draft anything there.
    :raises Invalid: naming the field that is wrong; code ``too-many`` when it takes more than 200 operations.
    """
    place = Scope(project, environment)
    if not rights.allows_some(Permission.CHANGE_DRAFT, place):
        rights.require(Permission.CHANGE_DRAFT, place)
    projects.environment(project, environment)
    chosen = list(dict.fromkeys(flags))
    if not chosen:
        raise Invalid("No flag was chosen.", fields={"flags": "Choose at least one flag."})
    if act not in ACTS:
        raise Invalid("There is no such act.", fields={"act": f"Choose one of {', '.join(ACTS)}."})
    if act == "rollout" and (percent is None or not 0 <= percent <= 100):
        raise Invalid("The percentage is missing.", fields={"rollout": "Give a whole number from 0 to 100."})
    refs = {Ref("config", environment, key) for key in chosen}
    world = load(project=project, environment=environment, refs=refs).world
    parents = {key for key in chosen if children(key, project=project)} if act == "archive" else frozenset[str]()
    kind: Act = next(one for one in ACTS if one == act)
    made = bulk.plan(world, chosen, kind, percent=percent or 0, parents=parents)
    if len(made.operations) > MAX_OPERATIONS:
        raise Invalid(
            f"This takes {len(made.operations)} operations; a change holds {MAX_OPERATIONS}.",
            remedy="Choose fewer flags at a time.",
            code="too-many",
        )
    return made


def preview_bulk(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    flags: Sequence[str],
    act: str,
    percent: int | None = None,
) -> BulkPreview:
    """What it would do; nothing is written.

    :raises Denied, Invalid, Conflict, NotFound: as :func:`change_many` would.
    """
    made = _plan(held(actor, at=at), project=project, environment=environment, flags=flags, act=act, percent=percent)
    if not made.operations:
        return BulkPreview(plan=made, seen=None)
    seen = preview(actor=actor, at=at, project=project, environment=environment, operations=made.operations)
    return BulkPreview(plan=made, seen=seen)


@operation
def change_many(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    flags: Sequence[str],
    act: str,
    percent: int | None = None,
    title: str = "",
    reason: str = "",
    tickets: Sequence[str] = (),
    wish: Wish = "submit",
) -> Proposed:
    """One request that does ``act`` (``on``, ``off``, ``archive``, ``rollout``) to each of ``flags``.

    Flags that it would not change are left out, as the preview says. What becomes of it the policy decides.

    :raises Denied: without the right to draft any part of it; no part of it is then written.
    :raises Invalid: when no flag is left that it would change, or it is too much for one change.
    """
    made = _plan(held(actor, at=at), project=project, environment=environment, flags=flags, act=act, percent=percent)
    if not made.operations:
        raise Invalid(
            "Nothing is left to change.",
            remedy=" ".join(f"{one.flag}: {one.why}" for one in made.skipped[:5]),
            code="no-change",
        )
    return propose(
        actor=actor,
        at=at,
        project=project,
        environment=environment,
        operations=made.operations,
        title=title or heading(act, percent, len({getattr(o, "flag", "") for o in made.operations}), environment),
        reason=reason,
        tickets=tickets,
        wish=wish,
    )


def heading(act: str, percent: int | None, count: int, environment: str) -> str:
    """What the request is called without a title: ``Switch 12 flags off in production``."""
    what = "1 flag" if count == 1 else f"{count} flags"
    return {
        "on": f"Switch {what} on in {environment}",
        "off": f"Switch {what} off in {environment}",
        "archive": f"Archive {what}",
        "rollout": f"Set the rollout of {what} to {percent} % in {environment}",
    }[act]
