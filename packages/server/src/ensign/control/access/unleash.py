"""Unleash's permissions and what stands for each here, for people who bring their roles along.

An empty tuple says that what the permission is about does not exist here; the note says what does instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ensign.control.access.permissions import Permission

P = Permission

_TOKENS = "Tokens belong to projects; one for all projects takes it in the whole organisation."
_FIELDS = "The context is not declared; constraints name its fields."
_TAGS = "Tags have no types; they are set on the flag."
_CUSTOM = "Strategies are those that every SDK knows."
_ADDONS = "There are no integrations yet."
_PLANS = "There are no release plans yet."

#: Unleash's name -> our permissions (all of them together do what it does), and what differs.
UNLEASH: Mapping[str, tuple[tuple[Permission, ...], str]] = MappingProxyType(
    {
        # Root
        "ADMIN": ((), "The role Administrator; it neither changes nor approves what applications see."),
        "CREATE_PROJECT": ((P.ORG_PROJECT_CREATE,), ""),
        "READ_ROLE": ((P.ORG_READ,), "Changing roles takes `org:roles:manage`."),
        "READ_CLIENT_API_TOKEN": ((P.PROJECT_TOKENS_READ,), _TOKENS),
        "CREATE_CLIENT_API_TOKEN": ((P.PROJECT_TOKENS_MANAGE,), _TOKENS),
        "UPDATE_CLIENT_API_TOKEN": ((), "A token never changes: make another, revoke the old one."),
        "DELETE_CLIENT_API_TOKEN": ((P.PROJECT_TOKENS_REVOKE,), "Tokens are revoked; the row stays."),
        "READ_FRONTEND_API_TOKEN": ((P.PROJECT_TOKENS_READ,), _TOKENS),
        "CREATE_FRONTEND_API_TOKEN": ((P.PROJECT_TOKENS_MANAGE,), _TOKENS),
        "UPDATE_FRONTEND_API_TOKEN": ((), "A token never changes: make another, revoke the old one."),
        "DELETE_FRONTEND_API_TOKEN": ((P.PROJECT_TOKENS_REVOKE,), "Tokens are revoked; the row stays."),
        "CREATE_SEGMENT": ((P.SEGMENT_CREATE,), "Segments belong to projects."),
        "UPDATE_SEGMENT": ((P.SEGMENT_UPDATE, P.CHANGE_SEGMENTS), "Constraints change by a change request."),
        "DELETE_SEGMENT": ((), "Segments stay; nothing needs to use them."),
        "READ_LOGS": ((P.ORG_LEDGER_READ,), "Exporting takes `org:ledger:export` or `org:evidence:export`."),
        "UPDATE_AUTH_CONFIGURATION": ((P.ORG_SECURITY_MANAGE,), ""),
        "UPDATE_MAINTENANCE_MODE": ((), "There is no maintenance mode."),
        "UPDATE_INSTANCE_BANNERS": ((), "There are no banners."),
        "UPDATE_CORS": ((), "A setting of the server (docs/reference/settings.md)."),
        "UPDATE_APPLICATION": ((), "Applications are listed from what they report; nothing about them is edited."),
        "CREATE_CONTEXT_FIELD": ((), _FIELDS),
        "UPDATE_CONTEXT_FIELD": ((), _FIELDS),
        "DELETE_CONTEXT_FIELD": ((), _FIELDS),
        "CREATE_TAG_TYPE": ((), _TAGS),
        "UPDATE_TAG_TYPE": ((), _TAGS),
        "DELETE_TAG_TYPE": ((), _TAGS),
        "CREATE_STRATEGY": ((), _CUSTOM),
        "UPDATE_STRATEGY": ((), _CUSTOM),
        "DELETE_STRATEGY": ((), _CUSTOM),
        "CREATE_ADDON": ((), _ADDONS),
        "UPDATE_ADDON": ((), _ADDONS),
        "DELETE_ADDON": ((), _ADDONS),
        "RELEASE_PLAN_TEMPLATE_VIEW_OVERVIEW": ((), _PLANS),
        "RELEASE_PLAN_TEMPLATE_VIEW": ((), _PLANS),
        "RELEASE_PLAN_TEMPLATE_CREATE": ((), _PLANS),
        "RELEASE_PLAN_TEMPLATE_UPDATE": ((), _PLANS),
        "RELEASE_PLAN_TEMPLATE_DELETE": ((), _PLANS),
        # Project
        "CREATE_FEATURE": ((P.FLAG_CREATE,), ""),
        "UPDATE_FEATURE": ((P.FLAG_UPDATE, P.FLAG_CLASSIFY, P.CHANGE_IMPRESSIONS), "Impressions by a change request."),
        "DELETE_FEATURE": ((P.FLAG_ARCHIVE,), "Archives, by a change request; nothing is deleted."),
        "UPDATE_FEATURE_DEPENDENCY": ((P.CHANGE_DEPENDENCIES,), "Per environment."),
        "UPDATE_FEATURE_VARIANTS": ((P.CHANGE_VARIANTS,), "Per environment."),
        "MOVE_FEATURE_TOGGLE": ((), "A flag stays in its project."),
        "UPDATE_PROJECT": ((P.PROJECT_UPDATE, P.PROJECT_ENVIRONMENTS_MANAGE, P.PROJECT_ENVIRONMENTS_UPDATE), ""),
        "DELETE_PROJECT": ((), "Projects stay."),
        "PROJECT_USER_ACCESS_READ": ((P.ORG_READ,), ""),
        "PROJECT_USER_ACCESS_WRITE": ((P.PROJECT_ACCESS_GRANT,), "Only roles that the holder's role lists."),
        "PROJECT_DEFAULT_STRATEGY_READ": ((), "There is no default strategy."),
        "PROJECT_DEFAULT_STRATEGY_WRITE": ((), "There is no default strategy."),
        "PROJECT_CHANGE_REQUEST_READ": ((P.PROJECT_POLICY_READ,), ""),
        "PROJECT_CHANGE_REQUEST_WRITE": ((P.PROJECT_POLICY_PROPOSE,), "The present policy decides about another."),
        "PROJECT_SETTINGS_READ": ((P.PROJECT_READ,), ""),
        "PROJECT_SETTINGS_WRITE": ((P.PROJECT_UPDATE,), ""),
        "READ_PROJECT_API_TOKEN": ((P.PROJECT_TOKENS_READ,), ""),
        "CREATE_PROJECT_API_TOKEN": ((P.PROJECT_TOKENS_MANAGE,), ""),
        "DELETE_PROJECT_API_TOKEN": ((P.PROJECT_TOKENS_REVOKE,), "Tokens are revoked; the row stays."),
        "UPDATE_PROJECT_SEGMENT": ((P.SEGMENT_CREATE, P.SEGMENT_UPDATE, P.CHANGE_SEGMENTS), ""),
        # Environment
        "CREATE_FEATURE_STRATEGY": ((P.CHANGE_DRAFT, P.CHANGE_STRATEGY_ADD, P.CHANGE_APPLY), ""),
        "UPDATE_FEATURE_STRATEGY": ((P.CHANGE_DRAFT, P.CHANGE_STRATEGY_UPDATE, P.CHANGE_APPLY), ""),
        "DELETE_FEATURE_STRATEGY": ((P.CHANGE_DRAFT, P.CHANGE_STRATEGY_REMOVE, P.CHANGE_APPLY), ""),
        "UPDATE_FEATURE_ENVIRONMENT": ((P.CHANGE_DRAFT, P.CHANGE_SWITCH, P.CHANGE_APPLY), ""),
        "UPDATE_FEATURE_ENVIRONMENT_VARIANTS": ((P.CHANGE_DRAFT, P.CHANGE_VARIANTS, P.CHANGE_APPLY), ""),
        "APPROVE_CHANGE_REQUEST": ((P.CHANGE_APPROVE, P.CHANGE_REVIEW), "Never one's own change, and never by token."),
        "APPLY_CHANGE_REQUEST": ((P.CHANGE_APPLY,), "By who wrote, edited or approved it."),
        "SKIP_CHANGE_REQUEST": ((), "Nobody skips approval; `flag:kill` switches off at once, on the record."),
    }
)
