"""PATCH operations on members, as identity providers send them. Pure; no Django.

The protocol looks for every member that leaves among all members, which for thousands takes minutes. Okta sends an
operation for each, Entra lists them; both are recognised here and done as sets. All else goes the protocol's way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MEMBER = re.compile(r'members\s*\[\s*value\s+eq\s+"([^"\\]+)"\s*\]\Z', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MembersPatch:
    """Operations that only add and remove single members, in order: (whether they join, their ids)."""

    steps: tuple[tuple[bool, tuple[str, ...]], ...]
    member: Callable[[str], Any]
    """Makes a member of an id."""

    def patch(self, group: Any) -> bool:
        """Apply them to a group resource; whether anything changed."""
        before = {one.value: one for one in group.members or ()}
        after = dict(before)
        for joins, ids in self.steps:
            for id in ids:
                if joins:
                    after[id] = before.get(id) or self.member(id)
                else:
                    after.pop(id, None)
        if after.keys() == before.keys():
            return False
        group.members = list(after.values()) or None
        return True


def members_patch(sent: Any, *, member: Callable[[str], Any]) -> MembersPatch | None:
    """The PATCH body ``sent`` as changes of members; None when it is, or might be, anything else."""
    if not isinstance(sent, dict) or sent.get("schemas") != [PATCH] or not isinstance(sent.get("Operations"), list):
        return None
    steps = []
    for operation in sent["Operations"]:
        step = _step(operation) if isinstance(operation, dict) else None
        if step is None:
            return None
        steps.append(step)
    return MembersPatch(tuple(steps), member) if steps else None


def _step(operation: dict[str, Any]) -> tuple[bool, tuple[str, ...]] | None:
    act, path, value = str(operation.get("op")).lower(), operation.get("path"), operation.get("value")
    if not set(operation) <= {"op", "path", "value"} or not isinstance(path, str) or act not in {"add", "remove"}:
        return None
    named = _MEMBER.match(path)
    if named is not None:
        return (False, (named[1],)) if act == "remove" and value is None else None
    if path.lower() != "members" or not isinstance(value, list) or not value:
        return None
    ids = [_id(one) for one in value]
    return None if None in ids else (act == "add", tuple(str(id) for id in ids))


def _id(one: Any) -> str | None:
    """The id of a member that is named by nothing that could say otherwise."""
    if not isinstance(one, dict) or not set(one) <= {"value", "$ref", "display", "type"}:
        return None
    value = one.get("value")
    return value if isinstance(value, str) and value and one.get("type") in {None, "User"} else None


def without_nulls(sent: Any) -> Any:
    """The body without the nulls of what selects values to remove: they would be compared, and match nothing.

    Entra selects a member with ``{"$ref": null, "value": …}``.
    """
    if isinstance(sent, dict) and isinstance(sent.get("Operations"), list):
        for operation in sent["Operations"]:
            if isinstance(operation, dict) and str(operation.get("op")).lower() == "remove":
                value = operation.get("value")
                if isinstance(value, list):
                    operation["value"] = [_set(one) if isinstance(one, dict) else one for one in value]
    return sent


def _set(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if value is not None}
