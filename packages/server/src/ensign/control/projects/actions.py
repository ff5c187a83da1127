"""What projects write into the ledger. Changes of policies and protection stand there as changes."""

from __future__ import annotations

from ensign.control.audit.registry import action

PROJECT_CREATED = action("project.created", "created the project")
PROJECT_UPDATED = action("project.updated", "changed the project's description")
ENVIRONMENT_CREATED = action("environment.created", "added the environment")
ENVIRONMENT_UPDATED = action("environment.updated", "renamed the environment")
ENVIRONMENTS_ORDERED = action("environment.ordered", "changed the order of the environments")
PRESET_CHOSEN = action("enforcement.preset_chosen", "chose what new projects ask for")
TOKEN_CREATED = action("client_token.created", "made a client token")
TOKEN_REVOKED = action("client_token.revoked", "revoked a client token")
TOKEN_ROTATED = action("client_token.rotated", "made a successor of a client token, which ends after an overlap")
TOKEN_DESCRIBED = action("client_token.described", "changed name, purpose or owner of a client token")
TOKEN_RULES_CHOSEN = action("client_token_rules.chosen", "chose how long client tokens may live")
TOKENS_EXPORTED = action("tokens.exported", "exported the list of all tokens")
