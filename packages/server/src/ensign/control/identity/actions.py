"""What identity writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

PERSON_SET_UP = action("person.set_up", "set up this installation as its first person")
PERSON_INVITED = action("person.invited", "invited a person")
PERSON_JOINED = action("person.joined", "accepted the invitation")
PERSON_UPDATED = action("person.updated", "changed a person's details")
PERSON_DEACTIVATED = action("person.deactivated", "deactivated a person, ending their sessions and personal tokens")
PERSON_REACTIVATED = action("person.reactivated", "reactivated a person")

LINK_CREATED = action("link.created", "made a one-time link")
LINK_ENDED = action("link.ended", "ended a one-time link")

PASSWORD_CHANGED = action("password.changed", "changed their own password, ending their other sessions")
PASSWORD_RESET = action("password.reset", "reset their own password by a one-time link, ending their sessions")

FACTOR_ENROLLED = action("factor.enrolled", "enrolled a second factor")
FACTOR_REMOVED = action("factor.removed", "removed a second factor")
FACTOR_RENAMED = action("factor.renamed", "renamed a passkey")
RECOVERY_CODES_MADE = action("factor.recovery_codes_made", "made new recovery codes")
FACTOR_FAILED = action("factor.failed", "gave a wrong second factor")
FACTOR_PROVED = action("factor.proved", "proved a second factor again")

SIGNED_IN = action("session.started", "signed in")
SIGN_IN_FAILED = action("session.refused", "was refused to sign in")
SIGN_IN_FAILURES = action("session.refusals_summarised", "summed up refused sign-ins")
SIGN_IN_BLOCKED = action("session.blocked", "blocked further tries to sign in for a while")
SIGNED_OUT = action("session.ended", "signed out")
SESSION_REVOKED = action("session.revoked", "ended sessions elsewhere")
SESSION_EXPIRED = action("session.expired", "ended sessions whose time was over")
SESSIONS_ENDED_FOR = action("session.ended_by_administrator", "ended a person's sessions")
SESSIONS_RESET = action("session.all_ended", "ended everybody's sessions")
SIGN_IN_UNBLOCKED = action("session.unblocked", "lifted a pause after wrong tries")
SIGN_INS_EXPORTED = action("session.history_exported", "exported the history of sign-ins")

SIGN_IN_RULES_CHANGED = action("sign_in_rules.changed", "changed the rules of signing in")
SIGN_IN_RULES_RESET = action("sign_in_rules.reset", "reset the rules of signing in on the server itself")

TOKEN_CREATED = action("token.created", "made a token")
TOKEN_REVOKED = action("token.revoked", "revoked a token")
TOKEN_ROTATED = action("token.rotated", "made a successor of a token, which ends after an overlap")

GROUP_CREATED = action("group.created", "created a group")
GROUP_UPDATED = action("group.updated", "changed a group's name or description")
GROUP_ARCHIVED = action("group.archived", "archived a group, ending what it granted")
MEMBER_ADDED = action("group.member_added", "added a person to a group")
MEMBER_REMOVED = action("group.member_removed", "removed a person from a group")

SERVICE_ACCOUNT_CREATED = action("service_account.created", "created a service account")
SERVICE_ACCOUNT_UPDATED = action("service_account.updated", "changed a service account")
SERVICE_ACCOUNT_DISABLED = action("service_account.disabled", "disabled a service account and revoked its tokens")
SERVICE_ACCOUNT_ENABLED = action("service_account.enabled", "enabled a service account again")
