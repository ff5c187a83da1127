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
* A role that lets its holders give roles lists which (``assigns``); they need not hold those themselves. ``*`` stands
  for all of them where the role is held in the whole organisation, and within a project for those that neither approve
  nor give roles: who runs a project does not choose who approves there, unless a role says so by name.

Custom roles have the same shape (``catalogue`` reads them); nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ensign.control.access.permissions import NEVER_BY_TOKEN, Level, Permission

P = Permission

#: In a role's ``assigns``: every role there is, or ever will be.
EVERY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A named set of permissions. ``key`` is frozen: grants refer to it.

    ``assigns`` are keys of the roles that its holders may give where it lets them give any, or :data:`EVERY`. An
    archived role has no permissions, and stays so that what was granted once can still be named.
    """

    key: str
    name: str
    description: str
    permissions: frozenset[Permission]
    assigns: frozenset[str] = frozenset()
    builtin: bool = True
    archived: bool = False

    def confers(self, permission: Permission) -> bool:
        """Whether holding it somewhere allows ``permission`` there."""
        return permission in self.permissions

    def may_assign(self, role: Role, *, everywhere: bool) -> bool:
        """Whether a holder may give ``role``; ``everywhere``: held in the whole organisation, not within a project."""
        if role.key in self.assigns:
            return True
        return EVERY in self.assigns and (everywhere or not (confers_approval(role) or confers_granting(role)))


#: The permissions with which roles are given.
GRANTING = frozenset({P.ORG_ACCESS_GRANT, P.PROJECT_ACCESS_GRANT})


def confers_approval(role: Role) -> bool:
    """Whether its holders approve changes: the one place where that is answered."""
    return role.confers(P.CHANGE_APPROVE)


def confers_emergencies(role: Role) -> bool:
    """Whether its holders may do without approval in an emergency."""
    return role.confers(P.CHANGE_BREAK_GLASS)


#: What lets its holders approve, do without approval in an emergency, or let somebody stand for somebody else: how
#: people sign in, how they get back in, who the directory says they are, who is forgotten. Whoever could give one of
#: these alone would be the second person too.
STANDING: frozenset[Permission] = frozenset(
    {
        P.CHANGE_APPROVE,
        P.CHANGE_BREAK_GLASS,
        P.ORG_SECURITY_MANAGE,
        P.ORG_PEOPLE_RECOVER,
        P.ORG_SCIM_MANAGE,
        P.ORG_PRIVACY_ERASE,
    }
)


def confers_standing_for(role: Role) -> bool:
    """Whether its holders decide who is who, or approve: giving it takes two people."""
    return any(role.confers(permission) for permission in STANDING)


def confers_granting(role: Role) -> bool:
    """Whether its holders give roles to others."""
    return not GRANTING.isdisjoint(role.permissions)


def unfit_for_services(role: Role) -> bool:
    """Whether a service account cannot hold it: it confers what no token can use, such as approving."""
    return not NEVER_BY_TOKEN.isdisjoint(role.permissions)


def nothing(key: str) -> Role:
    """What a grant of a role that nobody knows any more confers: nothing."""
    return Role(
        key=key, name=key, description="A role that is no longer known.", permissions=frozenset(), builtin=False
    )


def _role(key: str, name: str, description: str, *permissions: Permission, assigns: tuple[str, ...] = ()) -> Role:
    return Role(
        key=key, name=name, description=description, permissions=frozenset(permissions), assigns=frozenset(assigns)
    )


#: What everybody sees who may see a project at all.
_SEES = (
    P.ORG_READ,
    P.PROJECT_READ,
    P.PROJECT_LEDGER_READ,
    P.PROJECT_EVIDENCE_EXPORT,
    P.PROJECT_TOKENS_READ,
    P.PROJECT_POLICY_READ,
    P.INCIDENT_READ,
    P.CHANGE_COMMENT,
)

#: Drafting and applying whatever a change can do to flags and segments.
_CHANGES = (
    P.CHANGE_DRAFT,
    P.CHANGE_SWITCH,
    P.CHANGE_STRATEGY_ADD,
    P.CHANGE_STRATEGY_UPDATE,
    P.CHANGE_STRATEGY_REMOVE,
    P.CHANGE_VARIANTS,
    P.CHANGE_DEPENDENCIES,
    P.CHANGE_IMPRESSIONS,
    P.CHANGE_SEGMENTS,
    P.CHANGE_APPLY,
    P.CHANGE_SCHEDULE,
)

#: What stops harm: all of it only ever shows something to fewer people.
_KILLS = (P.FLAG_KILL, P.KILL_EXPLAIN, P.RAMP_PAUSE)

_INCIDENTS = (P.INCIDENT_DECLARE, P.INCIDENT_MANAGE)
#: Seeing what is conspicuous and judging it: for those who answer for changes without writing them.
_ALERTS = (P.ALERT_READ, P.ALERT_TRIAGE)


_ALL = (
    _role("viewer", "Viewer", "Sees flags, requests and people; comments, and changes nothing.", *_SEES),
    _role(
        "requester",
        "Requester",
        "Switches flags where the policy asks for nothing and requests changes elsewhere; creates nothing.",
        *_SEES,
        *_CHANGES,
        *_KILLS,
        P.INCIDENT_DECLARE,
    ),
    _role(
        "developer",
        "Developer",
        "Creates flags and segments, changes them where the policy asks for nothing, and requests changes elsewhere.",
        *_SEES,
        P.FLAG_CREATE,
        P.FLAG_UPDATE,
        P.FLAG_CLASSIFY,
        P.FLAG_ARCHIVE,
        P.FLAG_REVIVE,
        P.SEGMENT_CREATE,
        P.SEGMENT_UPDATE,
        P.TEMPLATE_MANAGE,
        *_CHANGES,
        P.TEST_REPORT,
        *_KILLS,
        *_INCIDENTS,
        P.KILL_TRIGGER,
        P.DRILL_MANAGE,
        P.SAFEGUARD_MANAGE,
    ),
    _role(
        "responder",
        "Incident responder",
        "Runs incidents and, while one is open, applies emergency changes without approval, each reviewed afterwards.",
        *_SEES,
        *_CHANGES,
        *_KILLS,
        *_INCIDENTS,
        P.CHANGE_BREAK_GLASS,
    ),
    _role(
        "tester",
        "Test reporter",
        "For CI: reads a project's flags and reports test runs; changes nothing.",
        P.PROJECT_READ,
        P.TEST_REPORT,
    ),
    _role(
        "approver",
        "Approver",
        "Approves changes that others wrote and applies approved ones, reviews emergency changes; drafts none.",
        *_SEES,
        P.CHANGE_APPROVE,
        P.CHANGE_REVIEW,
        P.CHANGE_APPLY,
        P.CHANGE_SCHEDULE,
        P.BREAK_GLASS_REVIEW,
        P.INCIDENT_DECLARE,
        *_KILLS,
        *_ALERTS,
    ),
    _role(
        "admin",
        "Administrator",
        "Manages people, access, projects, tokens and settings; neither changes nor approves what applications see,"
        " except that it may switch a flag off and stop a ramp in an emergency. Within a project, gives no role that"
        " approves or gives roles.",
        *(permission for permission in P if permission.level is Level.ORGANISATION),
        *_SEES,
        P.PROJECT_UPDATE,
        P.PROJECT_ENVIRONMENTS_MANAGE,
        P.PROJECT_ENVIRONMENTS_UPDATE,
        P.PROJECT_TOKENS_MANAGE,
        P.PROJECT_TOKENS_REVOKE,
        P.PROJECT_POLICY_PROPOSE,
        P.PROJECT_ACCESS_GRANT,
        P.PROJECT_INTEGRATIONS_MANAGE,
        P.TEMPLATE_MANAGE,
        *_KILLS,
        *_INCIDENTS,
        P.KILL_TRIGGER,
        P.DRILL_MANAGE,
        *_ALERTS,
        P.SAFEGUARD_MANAGE,
        assigns=(EVERY,),
    ),
    _role(
        "auditor",
        "Auditor",
        "Reads everything, the log included, and exports it; changes nothing.",
        *_SEES,
        P.ORG_LEDGER_READ,
        P.ORG_LEDGER_EXPORT,
        P.ORG_EVIDENCE_EXPORT,
        P.ALERT_READ,
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
        "sys_cli": frozenset({*_SEES, P.ORG_LEDGER_READ, P.ORG_LEDGER_EXPORT, P.ORG_LEDGER_ANCHOR}),
        "sys_scheduler": frozenset({P.PROJECT_READ, P.CHANGE_APPLY, P.RAMP_PAUSE}),
        # Off alone: what a monitoring system may do by an address that somebody made for one flag.
        "sys_kill_trigger": frozenset({P.PROJECT_READ, P.FLAG_KILL}),
        # A drill switches off as anybody does, and asks for on as anybody must.
        "sys_drill": frozenset({P.PROJECT_READ, P.FLAG_KILL, P.CHANGE_DRAFT, P.CHANGE_SWITCH, P.CHANGE_APPLY}),
        "sys_anchor": frozenset({P.ORG_LEDGER_ANCHOR}),
    }
)
