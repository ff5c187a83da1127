"""The built-in roles: named sets of permissions, and why each is cut as it is.

Segregation of duties, as decided here:

* ``admin`` manages people, access, projects and tokens, and confers *no* ``change:*`` permission at all: whoever
  decides who may approve does not thereby approve, nor change what applications see. An administrator who also ships
  holds ``developer``, one who also reviews holds ``approver``, as grants of their own that the log shows.
* ``approver`` approves and applies what is approved; it does not draft. Holding ``developer`` and ``approver`` together
  is allowed, as teams of three need it: that nobody approves what they wrote or edited is decided per request.
* ``developer`` and ``requester`` apply only what the environment's policy lets through: where it asks for approvals,
  they draft and request. There is no role that is exempt from a policy.
* Nobody gives a role to themselves or to a group that they belong to. Set-up is the one exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ensign.control.access.permissions import Level, Permission

P = Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A named set of permissions. ``key`` is frozen: grants refer to it."""

    key: str
    name: str
    description: str
    permissions: frozenset[Permission]

    @property
    def organisation_wide_only(self) -> bool:
        """Whether the role says nothing within a project, so that narrowing it would leave nothing."""
        return all(permission.level is Level.ORGANISATION for permission in self.permissions)


def _role(key: str, name: str, description: str, *permissions: Permission) -> Role:
    return Role(key=key, name=name, description=description, permissions=frozenset(permissions))


_ALL = (
    _role("viewer", "Viewer", "Sees flags, requests and people; changes nothing.", P.ORG_READ, P.PROJECT_READ),
    _role(
        "requester",
        "Requester",
        "Switches flags where the policy asks for nothing and requests changes elsewhere; creates nothing.",
        P.ORG_READ,
        P.PROJECT_READ,
        P.CHANGE_DRAFT,
        P.CHANGE_APPLY,
        P.FLAG_KILL,
    ),
    _role(
        "developer",
        "Developer",
        "Creates flags and segments, changes them where the policy asks for nothing, and requests changes elsewhere.",
        P.ORG_READ,
        P.PROJECT_READ,
        P.FLAG_CREATE,
        P.FLAG_UPDATE,
        P.FLAG_ARCHIVE,
        P.SEGMENT_CREATE,
        P.CHANGE_DRAFT,
        P.CHANGE_APPLY,
        P.FLAG_KILL,
    ),
    _role(
        "approver",
        "Approver",
        "Approves changes that others wrote and applies approved ones; drafts none.",
        P.ORG_READ,
        P.PROJECT_READ,
        P.CHANGE_APPROVE,
        P.CHANGE_APPLY,
        P.FLAG_KILL,
    ),
    _role(
        "admin",
        "Administrator",
        "Manages people, access, projects, tokens and settings; neither changes nor approves what applications see,"
        " except that it may switch a flag off in an emergency.",
        *(permission for permission in P if permission.level is Level.ORGANISATION),
        P.PROJECT_READ,
        P.PROJECT_UPDATE,
        P.PROJECT_ENVIRONMENTS_MANAGE,
        P.PROJECT_TOKENS_MANAGE,
        P.PROJECT_POLICY_PROPOSE,
        P.PROJECT_ACCESS_GRANT,
        P.FLAG_KILL,
    ),
    _role(
        "auditor",
        "Auditor",
        "Reads everything, the log included, and exports it; changes nothing.",
        P.ORG_READ,
        P.PROJECT_READ,
        P.ORG_LEDGER_READ,
        P.ORG_LEDGER_EXPORT,
    ),
)

#: The built-in roles by key, least powerful first.
ROLES: Mapping[str, Role] = MappingProxyType({role.key: role for role in _ALL})

#: What the first person is given at set-up: a team of one must be able to do everything except approve its own work.
FIRST_PERSON = ("admin", "developer", "approver")

#: What Ensign's own actors may do, by id. They never approve. ``sys_cli`` is whoever has a shell on the server and can
#: read the database anyway.
SYSTEM: Mapping[str, frozenset[Permission]] = MappingProxyType(
    {
        "sys_cli": frozenset({P.ORG_READ, P.PROJECT_READ, P.ORG_LEDGER_READ, P.ORG_LEDGER_EXPORT, P.ORG_LEDGER_ANCHOR}),
        "sys_scheduler": frozenset({P.PROJECT_READ, P.CHANGE_APPLY}),
        "sys_anchor": frozenset({P.ORG_LEDGER_ANCHOR}),
    }
)
