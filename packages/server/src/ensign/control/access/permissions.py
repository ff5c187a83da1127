"""Everything that can be allowed, enumerated. Codes are frozen and never reused: grants of years ago refer to them.

A permission's *level* says where it is decided: in the organisation, in a project, or in one environment of a
project. That creating a flag never confers switching it on follows from the levels: ``flag:create`` belongs to the
project and alters nothing that an application sees; ``change:apply`` belongs to an environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Level(StrEnum):
    """Where a permission is decided."""

    ORGANISATION = "organisation"
    PROJECT = "project"
    ENVIRONMENT = "environment"


class Permission(StrEnum):
    """One thing that an actor may do. ``description`` completes "may …"; ``level`` says where."""

    description: str
    level: Level

    def __new__(cls, code: str, level: Level, description: str) -> Permission:
        """A member from its frozen code, its level and what it allows."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.level = level
        member.description = description
        return member

    # Organisation
    ORG_READ = "org:read", Level.ORGANISATION, "see people, groups, service accounts and who may do what"
    ORG_PEOPLE_MANAGE = (
        "org:people:manage",
        Level.ORGANISATION,
        "invite, deactivate and reactivate people and make links that reset their password",
    )
    ORG_GROUPS_MANAGE = "org:groups:manage", Level.ORGANISATION, "make groups and change who belongs to them"
    ORG_ACCESS_GRANT = "org:access:grant", Level.ORGANISATION, "give and end roles of others, never their own"
    ORG_SERVICE_ACCOUNTS_MANAGE = (
        "org:service-accounts:manage",
        Level.ORGANISATION,
        "make and disable service accounts and their tokens",
    )
    ORG_ROLES_MANAGE = (
        "org:roles:manage",
        Level.ORGANISATION,
        "make and change custom roles and what may be assigned by whom",
    )
    ORG_SECURITY_MANAGE = (
        "org:security:manage",
        Level.ORGANISATION,
        "change how people sign in: identity providers, second factors, sessions, allowed addresses",
    )
    ORG_SCIM_MANAGE = "org:scim:manage", Level.ORGANISATION, "connect a directory that makes and removes people by SCIM"
    ORG_PRIVACY_ERASE = "org:privacy:erase", Level.ORGANISATION, "erase what the log keeps about a person who left"
    ORG_PROJECT_CREATE = "org:project:create", Level.ORGANISATION, "create projects"
    ORG_LEDGER_READ = "org:ledger:read", Level.ORGANISATION, "read the whole log"
    ORG_LEDGER_EXPORT = "org:ledger:export", Level.ORGANISATION, "export the log and evidence bundles"
    ORG_LEDGER_ANCHOR = "org:ledger:anchor", Level.ORGANISATION, "anchor the log outside Ensign and set where"
    ORG_SETTINGS_MANAGE = "org:settings:manage", Level.ORGANISATION, "change settings of the whole installation"

    # Project
    PROJECT_READ = "project:read", Level.PROJECT, "see flags, segments, requests and history of the project"
    PROJECT_UPDATE = (
        "project:update",
        Level.PROJECT,
        "change the project's name, description and owners; archive it",
    )
    PROJECT_ENVIRONMENTS_MANAGE = (
        "project:environments:manage",
        Level.PROJECT,
        "add, rename and order environments",
    )
    PROJECT_TOKENS_MANAGE = "project:tokens:manage", Level.PROJECT, "make and revoke tokens of applications"
    PROJECT_POLICY_PROPOSE = (
        "project:policy:propose",
        Level.PROJECT,
        "propose another approval policy or freeze window, which then needs approval itself",
    )
    PROJECT_ACCESS_GRANT = (
        "project:access:grant",
        Level.PROJECT,
        "give and end roles of others within the project, never their own",
    )
    FLAG_CREATE = "flag:create", Level.PROJECT, "create flags, which are off everywhere"
    FLAG_UPDATE = "flag:update", Level.PROJECT, "change a flag's description, owner, type and tags"
    FLAG_ARCHIVE = "flag:archive", Level.PROJECT, "archive and revive flags, through the write door of changes"
    SEGMENT_CREATE = "segment:create", Level.PROJECT, "create segments, which nothing uses yet"

    # Environment
    CHANGE_DRAFT = "change:draft", Level.ENVIRONMENT, "draft and submit changes"
    CHANGE_APPLY = (
        "change:apply",
        Level.ENVIRONMENT,
        "apply a change that has what the policy asks for (at once, where it asks for nothing)",
    )
    CHANGE_APPROVE = (
        "change:approve",
        Level.ENVIRONMENT,
        "approve changes that they neither wrote nor edited, in a session with a recent second factor",
    )
    FLAG_KILL = "flag:kill", Level.ENVIRONMENT, "switch a flag off at once without approval"

    @property
    def inert(self) -> bool:
        """Whether it alters nothing that an application sees, so that a grant narrowed to one environment confers it.

        Somebody who may work in development only must still be able to create the flag to work with.
        """
        return self in _INERT


_INERT: frozenset[Permission] = frozenset(
    {Permission.PROJECT_READ, Permission.FLAG_CREATE, Permission.FLAG_UPDATE, Permission.SEGMENT_CREATE}
)

#: What no token confers, whoever owns it: approval is an act of a human being in a session, and a token that could
#: make people or grants would let its thief become one.
NEVER_BY_TOKEN: frozenset[Permission] = frozenset(
    {
        Permission.CHANGE_APPROVE,
        Permission.ORG_PEOPLE_MANAGE,
        Permission.ORG_ACCESS_GRANT,
        Permission.PROJECT_ACCESS_GRANT,
        Permission.ORG_SERVICE_ACCOUNTS_MANAGE,
        Permission.ORG_ROLES_MANAGE,
        Permission.ORG_SECURITY_MANAGE,
        Permission.ORG_SCIM_MANAGE,
        Permission.ORG_PRIVACY_ERASE,
    }
)

#: What changes who may do what, or how that is guarded: in a session it needs a second factor proved a short while ago,
#: of everybody who has one (ADR 0026). ``decisions.Held.require`` asks for it, so that no operation can forget it.
#: Approving is not here: it asks for a second factor of everybody, in ``changes.domain.trust``.
ADMINISTRATIVE: frozenset[Permission] = (NEVER_BY_TOKEN - {Permission.CHANGE_APPROVE}) | {
    Permission.ORG_GROUPS_MANAGE,
    Permission.ORG_SETTINGS_MANAGE,
    Permission.ORG_LEDGER_ANCHOR,
    Permission.PROJECT_TOKENS_MANAGE,
    Permission.PROJECT_POLICY_PROPOSE,
}

#: Permissions by their frozen code, e.g. ``BY_CODE["flag:create"]``.
BY_CODE: Mapping[str, Permission] = MappingProxyType({str(permission): permission for permission in Permission})


def at_level(level: Level) -> tuple[Permission, ...]:
    """All permissions of a level, in the order in which they are declared."""
    return tuple(permission for permission in Permission if permission.level is level)
