"""What stands between a request and its application besides approvals: freezes, tickets, steps, progression.

Each gate is a pure judgement on a :class:`Asked`, registered under a name while Django starts; what it needs from the
database it reads when it is asked. All are asked by a pre-flight, at submission and, under lock, at the apply, so that
no path leads round one and what would fail is said before anything is written.

::

    def frozen(asked: Asked) -> Sequence[Blocker]: ...
    gates.register("freeze", frozen)

A *witness* says what let a change pass: small facts that go into the detail of the entry that applies it, so that they
are read later as of then. It is asked once, under lock, after the gates. A *historian* says what a change of the past
would have lacked under another policy; the plan of policies as code asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ensign.control.changes.domain.requests import ChangeRequest, Mode, PolicyInForce
from ensign.control.changes.domain.world import World
from ensign.control.kernel.errors import Conflict

#: When a gate is asked: before anything is written, when it is put up for review, and when it applies.
Phase = Literal["preview", "submit", "apply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it would apply: under this policy, from ``before`` to ``after``, in this way and at this time.

    A gate that lets standard changes or emergencies through says so by looking at ``mode``.
    """

    request: ChangeRequest
    policy: PolicyInForce
    before: World
    after: World
    mode: Mode
    at: datetime
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Why it may not apply. ``code`` is frozen (``frozen``, ``no-ticket``); ``rule`` the control that it would break
    (``CM-05``) or empty. ``blocks``: from when on it refuses; before that it is a warning of what will be asked.
    """

    code: str
    message: str
    remedy: str
    rule: str = ""
    blocks: Literal["submit", "apply"] = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a change of the past would have lacked, in phrases. ``said``: whether that can be said at all."""

    lacks: tuple[str, ...] = ()
    said: bool = True


Gate = Callable[[Asked], Sequence[Blocker]]

Witness = Callable[[Asked], Mapping[str, Any]]

Historian = Callable[[Asked], Past]

_registered: dict[str, Gate] = {}
_witnesses: dict[str, Witness] = {}
_historians: dict[str, Historian] = {}


def register(name: str, gate: Gate) -> None:
    """Ask ``gate`` about every change from now on. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _registered:
        raise ValueError(f"there is a gate {name} already")
    _registered[name] = gate


def register_witness(name: str, witness: Witness) -> None:
    """Have ``witness`` asked what let a change pass. Its facts hold no personal data and stand in clear for ever.

    :raises ValueError: when the name is taken.
    """
    if name in _witnesses:
        raise ValueError(f"there is a witness {name} already")
    _witnesses[name] = witness


def register_historian(name: str, historian: Historian) -> None:
    """Have ``historian`` asked what a change of the past would have lacked under another policy: its ``at`` is then.

    :raises ValueError: when the name is taken.
    """
    if name in _historians:
        raise ValueError(f"there is a historian {name} already")
    _historians[name] = historian


def lacked(asked: Asked) -> Past:
    """What all historians say. Where one cannot say, or there is none, nothing is said."""
    found = [historian(asked) for historian in _historians.values()]
    return Past(
        lacks=tuple(text for one in found for text in one.lacks), said=bool(found) and all(one.said for one in found)
    )


def witnessed(asked: Asked) -> dict[str, Any]:
    """All that the witnesses say, for the entry's detail."""
    return {key: fact for witness in _witnesses.values() for key, fact in witness(asked).items()}


def names() -> tuple[str, ...]:
    """The names of all gates, in the order in which they are asked."""
    return tuple(_registered)


def blockers(asked: Asked) -> tuple[Blocker, ...]:
    """Everything that stands in the way, in the order of the gates."""
    return tuple(blocker for gate in _registered.values() for blocker in gate(asked))


def require(asked: Asked) -> None:
    """Let it pass, or say everything that stands in the way at this phase.

    :raises Conflict: with the code of the first blocker; ``fields`` names them all.
    """
    found = [one for one in blockers(asked) if asked.phase == "apply" or one.blocks == asked.phase]
    if found:
        raise Conflict(
            " ".join(one.message for one in found),
            remedy=" ".join(dict.fromkeys(one.remedy for one in found if one.remedy)),
            code=found[0].code,
            fields={one.code: one.message for one in found},
        )
