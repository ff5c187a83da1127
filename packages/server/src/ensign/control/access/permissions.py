"""Everything that can be allowed, enumerated. Codes are frozen and never reused: grants of years ago refer to them.

A permission's *level* says where it is decided: in the organisation, in a project, or in one environment of a
project. That creating a flag never confers switching it on follows from the levels: ``flag:create`` belongs to the
project and alters nothing that an application sees; ``change:apply`` belongs to an environment.

Nothing stands here that no code asks for; a test holds that. What was once part of a broader permission is named in
:data:`SPLIT_FROM`, so that a token that was narrowed to the broader one before keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Level(StrEnum):
    """Where a permission is decided."""

    ORGANISATION = "organisation"
    PROJECT = "project"
    ENVIRONMENT = "environment"


class About(StrEnum):
    """What a grant that is narrowed to flags of some types or tags makes of a permission."""

    FLAGS = "flags"
    """Conferred for these flags alone, and only where the question names the flag."""
    READING = "reading"
    """Conferred as it is: who works on some flags has to see what stands around them."""
    ELSE = "else"
    """Not conferred at all: it is not about one flag."""


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
    ORG_READ = "org:read", Level.ORGANISATION, "see people, groups, service accounts, roles and who may do what"
    ORG_PEOPLE_INVITE = "org:people:invite", Level.ORGANISATION, "invite people; roles they begin with take more"
    ORG_PEOPLE_MANAGE = (
        "org:people:manage",
        Level.ORGANISATION,
        "deactivate and reactivate people and end their tokens",
    )
    ORG_PEOPLE_RECOVER = (
        "org:people:recover",
        Level.ORGANISATION,
        "make links that reset somebody's password and remove second factors that were lost",
    )
    ORG_GROUPS_MANAGE = "org:groups:manage", Level.ORGANISATION, "make, describe and archive groups"
    ORG_GROUPS_MEMBERS = (
        "org:groups:members",
        Level.ORGANISATION,
        "change who belongs to groups, never themselves; a group's roles must be theirs to assign",
    )
    ORG_ACCESS_GRANT = (
        "org:access:grant",
        Level.ORGANISATION,
        "give and end those roles that their own role lists, anywhere, never their own",
    )
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
    ORG_LEDGER_EXPORT = "org:ledger:export", Level.ORGANISATION, "export the log as a bundle that verifies offline"
    ORG_EVIDENCE_EXPORT = (
        "org:evidence:export",
        Level.ORGANISATION,
        "export the changes of all projects, with the names of who made them",
    )
    ORG_LEDGER_ANCHOR = "org:ledger:anchor", Level.ORGANISATION, "anchor the log outside Ensign and set where"
    ORG_SETTINGS_MANAGE = "org:settings:manage", Level.ORGANISATION, "change settings of the whole installation"
    ORG_ALERT_TRIAGE = (
        "org:alert:triage",
        Level.ORGANISATION,
        "judge alerts that belong to no project and that they took no part in",
    )
    ORG_INTEGRATIONS_MANAGE = (
        "org:integrations:manage",
        Level.ORGANISATION,
        "connect webhooks, chats and ticket systems to the whole installation",
    )

    # Project
    PROJECT_READ = "project:read", Level.PROJECT, "see flags, segments and requests of the project"
    PROJECT_LEDGER_READ = "project:ledger:read", Level.PROJECT, "read the project's part of the log"
    PROJECT_EVIDENCE_EXPORT = "project:evidence:export", Level.PROJECT, "export the project's changes"
    PROJECT_UPDATE = (
        "project:update",
        Level.PROJECT,
        "change the project's name, description and default stickiness",
    )
    PROJECT_ENVIRONMENTS_MANAGE = "project:environments:manage", Level.PROJECT, "add environments"
    PROJECT_ENVIRONMENTS_UPDATE = "project:environments:update", Level.PROJECT, "rename and order environments"
    PROJECT_TOKENS_READ = (
        "project:tokens:read",
        Level.PROJECT,
        "see which tokens of applications there are, never their text",
    )
    PROJECT_TOKENS_MANAGE = "project:tokens:manage", Level.PROJECT, "make tokens of applications"
    PROJECT_TOKENS_REVOKE = "project:tokens:revoke", Level.PROJECT, "revoke tokens of applications"
    PROJECT_POLICY_READ = "project:policy:read", Level.PROJECT, "see the approval policies and how they were before"
    PROJECT_POLICY_PROPOSE = (
        "project:policy:propose",
        Level.PROJECT,
        "propose another approval policy or protection, which then needs approval itself",
    )
    PROJECT_ACCESS_GRANT = (
        "project:access:grant",
        Level.PROJECT,
        "give and end those roles that their own role lists, within the project, never their own",
    )
    PROJECT_INTEGRATIONS_MANAGE = (
        "project:integrations:manage",
        Level.PROJECT,
        "connect webhooks, chats and ticket systems to the project",
    )
    INCIDENT_READ = (
        "incident:read",
        Level.PROJECT,
        "see incidents, kill switches that were pressed, emergency changes and drills",
    )
    INCIDENT_DECLARE = (
        "incident:declare",
        Level.PROJECT,
        "declare incidents, write their log and say when they are mitigated",
    )
    INCIDENT_MANAGE = (
        "incident:manage",
        Level.PROJECT,
        "correct, resolve and conclude incidents: times, cause, follow-up actions, what belongs to them",
    )
    ALERT_READ = "alert:read", Level.PROJECT, "see alerts about what happened in the project"
    ALERT_TRIAGE = "alert:triage", Level.PROJECT, "judge alerts of the project that they took no part in"
    FLAG_CREATE = "flag:create", Level.PROJECT, "create flags, which are off everywhere"
    FLAG_UPDATE = "flag:update", Level.PROJECT, "change a flag's description, owner and expected removal"
    FLAG_CLASSIFY = (
        "flag:classify",
        Level.PROJECT,
        "change a flag's type, tags and risk tier, which say whose narrowed roles cover it and what policies ask",
    )
    FLAG_ARCHIVE = "flag:archive", Level.PROJECT, "archive flags, through the write door of changes"
    FLAG_REVIVE = "flag:revive", Level.PROJECT, "revive archived flags, through the write door of changes"
    SEGMENT_CREATE = "segment:create", Level.PROJECT, "create segments, which nothing uses yet"
    SEGMENT_UPDATE = "segment:update", Level.PROJECT, "change a segment's name and description"
    TEMPLATE_MANAGE = "template:manage", Level.PROJECT, "make, change and archive release templates"
    CHANGE_COMMENT = "change:comment", Level.PROJECT, "comment on change requests"

    # Environment
    CHANGE_DRAFT = "change:draft", Level.ENVIRONMENT, "draft and submit changes of what they may change"
    CHANGE_SWITCH = "change:switch", Level.ENVIRONMENT, "draft switching flags on and off"
    CHANGE_STRATEGY_ADD = "change:strategy:add", Level.ENVIRONMENT, "draft further strategies of flags"
    CHANGE_STRATEGY_UPDATE = "change:strategy:update", Level.ENVIRONMENT, "draft other strategies and their order"
    CHANGE_STRATEGY_REMOVE = "change:strategy:remove", Level.ENVIRONMENT, "draft removing strategies"
    CHANGE_VARIANTS = "change:variants", Level.ENVIRONMENT, "draft other variants of flags"
    CHANGE_DEPENDENCIES = "change:dependencies", Level.ENVIRONMENT, "draft on which flags a flag depends"
    CHANGE_IMPRESSIONS = "change:impressions", Level.ENVIRONMENT, "draft whether a flag reports impressions"
    CHANGE_SEGMENTS = "change:segments", Level.ENVIRONMENT, "draft other constraints of segments"
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
    CHANGE_REVIEW = (
        "change:review",
        Level.ENVIRONMENT,
        "send back and reject changes that they neither wrote nor edited",
    )
    CHANGE_SCHEDULE = (
        "change:schedule",
        Level.ENVIRONMENT,
        "set the time at which a change that they had part in applies by itself, and take it back",
    )
    RAMP_PAUSE = "ramp:pause", Level.ENVIRONMENT, "pause ramps, stop them and roll them back"
    FLAG_KILL = "flag:kill", Level.ENVIRONMENT, "switch a flag off at once without approval"
    KILL_EXPLAIN = (
        "kill:explain",
        Level.ENVIRONMENT,
        "say afterwards why somebody else pressed a kill switch",
    )
    TEST_REPORT = "test:report", Level.ENVIRONMENT, "report test runs against what an environment runs"
    KILL_TRIGGER = (
        "kill:trigger",
        Level.ENVIRONMENT,
        "make addresses at which a monitoring system switches a flag off, and revoke them",
    )
    DRILL_MANAGE = (
        "drill:manage",
        Level.ENVIRONMENT,
        "plan and run drills, which switch a flag off and measure how fast that arrives",
    )
    CHANGE_BREAK_GLASS = (
        "change:break-glass",
        Level.ENVIRONMENT,
        "apply emergency changes without approval for a short time, reviewed by somebody else afterwards",
    )
    BREAK_GLASS_REVIEW = (
        "break-glass:review",
        Level.ENVIRONMENT,
        "review emergency changes in which they had no part",
    )
    SAFEGUARD_MANAGE = (
        "safeguard:manage",
        Level.ENVIRONMENT,
        "make, arm and end safeguards, which pause a ramp or switch a flag off when a metric breaks",
    )

    @property
    def inert(self) -> bool:
        """Whether it alters nothing that an application sees, so that a grant narrowed to one environment confers it.

        Somebody who may work in development only must still be able to create the flag to work with.
        """
        return self in _INERT

    @property
    def about(self) -> About:
        """What a grant narrowed to some flags makes of it."""
        if self in _READING:
            return About.READING
        return About.FLAGS if self in _FLAGS else About.ELSE


P = Permission

_READING: frozenset[Permission] = frozenset(
    {
        P.ORG_READ,
        P.PROJECT_READ,
        P.PROJECT_LEDGER_READ,
        P.PROJECT_EVIDENCE_EXPORT,
        P.PROJECT_TOKENS_READ,
        P.PROJECT_POLICY_READ,
        P.INCIDENT_READ,
        P.ALERT_READ,
        P.CHANGE_COMMENT,
    }
)

#: What a change may do to a flag, besides the rights to draft it at all and to apply it.
_FLAGS: frozenset[Permission] = frozenset(
    {
        P.FLAG_CREATE,
        P.FLAG_UPDATE,
        P.FLAG_CLASSIFY,
        P.FLAG_ARCHIVE,
        P.FLAG_REVIVE,
        P.FLAG_KILL,
        P.KILL_EXPLAIN,
        P.KILL_TRIGGER,
        P.DRILL_MANAGE,
        P.CHANGE_BREAK_GLASS,
        P.SAFEGUARD_MANAGE,
        P.CHANGE_DRAFT,
        P.CHANGE_SWITCH,
        P.CHANGE_STRATEGY_ADD,
        P.CHANGE_STRATEGY_UPDATE,
        P.CHANGE_STRATEGY_REMOVE,
        P.CHANGE_VARIANTS,
        P.CHANGE_DEPENDENCIES,
        P.CHANGE_IMPRESSIONS,
        P.CHANGE_APPLY,
        P.CHANGE_APPROVE,
        P.CHANGE_REVIEW,
        P.TEST_REPORT,
        P.CHANGE_SCHEDULE,
        P.RAMP_PAUSE,
    }
)

_INERT: frozenset[Permission] = (_READING - {P.ORG_READ}) | {
    P.FLAG_CREATE,
    P.FLAG_UPDATE,
    P.FLAG_CLASSIFY,
    P.SEGMENT_CREATE,
    P.SEGMENT_UPDATE,
    P.INCIDENT_DECLARE,
    P.INCIDENT_MANAGE,
}

#: What no token confers, whoever owns it: approval is an act of a human being in a session, and a token that could
#: make people or grants would let its thief become one.
NEVER_BY_TOKEN: frozenset[Permission] = frozenset(
    {
        P.CHANGE_APPROVE,
        P.CHANGE_REVIEW,
        P.CHANGE_BREAK_GLASS,
        P.BREAK_GLASS_REVIEW,
        P.ORG_PEOPLE_INVITE,
        P.ORG_PEOPLE_MANAGE,
        P.ORG_PEOPLE_RECOVER,
        P.ORG_ACCESS_GRANT,
        P.PROJECT_ACCESS_GRANT,
        P.ORG_SERVICE_ACCOUNTS_MANAGE,
        P.ORG_ROLES_MANAGE,
        P.ORG_SECURITY_MANAGE,
        P.ORG_SCIM_MANAGE,
        P.ORG_PRIVACY_ERASE,
    }
)

#: What changes who may do what, or how that is guarded: in a session it needs a second factor proved a short while ago,
#: of everybody who has one (ADR 0026). ``decisions.Held.require`` asks for it, so that no operation can forget it.
#: Approving is not here: it asks for a second factor of everybody, in ``changes.domain.trust``.
#: Nor is what stops harm: revoking, ending and switching off wait for nothing. Breaking the glass asks for a second
#: factor of everybody, in ``incidents.opening``, and what is done with it lasts as long as it stays open.
ADMINISTRATIVE: frozenset[Permission] = (
    NEVER_BY_TOKEN - {P.CHANGE_APPROVE, P.CHANGE_REVIEW, P.CHANGE_BREAK_GLASS, P.BREAK_GLASS_REVIEW}
) | {
    P.ORG_GROUPS_MANAGE,
    P.ORG_GROUPS_MEMBERS,
    P.ORG_SETTINGS_MANAGE,
    P.ORG_LEDGER_ANCHOR,
    P.PROJECT_TOKENS_MANAGE,
    P.PROJECT_POLICY_PROPOSE,
    P.KILL_TRIGGER,
    P.ORG_INTEGRATIONS_MANAGE,
    P.PROJECT_INTEGRATIONS_MANAGE,
}

#: The edition of this catalogue. A token's state says by which one it was narrowed; without, by the first.
EDITION = 2

#: What the second edition split off, and from what: a token narrowed under the first keeps what it could do.
SPLIT_FROM: Mapping[Permission, Permission] = MappingProxyType(
    {
        P.ORG_GROUPS_MEMBERS: P.ORG_GROUPS_MANAGE,
        P.ORG_EVIDENCE_EXPORT: P.ORG_LEDGER_EXPORT,
        P.PROJECT_LEDGER_READ: P.PROJECT_READ,
        P.PROJECT_EVIDENCE_EXPORT: P.PROJECT_READ,
        P.PROJECT_TOKENS_READ: P.PROJECT_READ,
        P.PROJECT_POLICY_READ: P.PROJECT_READ,
        P.INCIDENT_READ: P.PROJECT_READ,
        P.CHANGE_COMMENT: P.PROJECT_READ,
        P.PROJECT_ENVIRONMENTS_UPDATE: P.PROJECT_ENVIRONMENTS_MANAGE,
        P.PROJECT_TOKENS_REVOKE: P.PROJECT_TOKENS_MANAGE,
        P.FLAG_CLASSIFY: P.FLAG_UPDATE,
        P.FLAG_REVIVE: P.FLAG_ARCHIVE,
        P.SEGMENT_UPDATE: P.SEGMENT_CREATE,
        P.CHANGE_SWITCH: P.CHANGE_DRAFT,
        P.CHANGE_STRATEGY_ADD: P.CHANGE_DRAFT,
        P.CHANGE_STRATEGY_UPDATE: P.CHANGE_DRAFT,
        P.CHANGE_STRATEGY_REMOVE: P.CHANGE_DRAFT,
        P.CHANGE_VARIANTS: P.CHANGE_DRAFT,
        P.CHANGE_DEPENDENCIES: P.CHANGE_DRAFT,
        P.CHANGE_IMPRESSIONS: P.CHANGE_DRAFT,
        P.CHANGE_SEGMENTS: P.CHANGE_DRAFT,
        P.KILL_EXPLAIN: P.FLAG_KILL,
    }
)

#: Permissions by their frozen code, e.g. ``BY_CODE["flag:create"]``.
BY_CODE: Mapping[str, Permission] = MappingProxyType({str(permission): permission for permission in Permission})


def at_level(level: Level) -> tuple[Permission, ...]:
    """All permissions of a level, in the order in which they are declared."""
    return tuple(permission for permission in Permission if permission.level is level)


def as_narrowed(codes: Iterable[str], *, edition: int) -> frozenset[str]:
    """What ``codes`` of a token that was narrowed under ``edition`` stand for today."""
    named = frozenset(codes)
    if edition >= EDITION:
        return named
    return named | {new for new, broad in SPLIT_FROM.items() if broad in named}
