"""What the directory, and who connects it, write into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

TOKEN_CREATED = action("directory.token_created", "made a token for the directory")
TOKEN_ROTATED = action("directory.token_rotated", "made the directory's next token; the present one ends soon")
TOKEN_REVOKED = action("directory.token_revoked", "revoked a token of the directory")

USER_ADDED = action("directory.user_added", "was given a person by the directory")
USER_ADOPTED = action("directory.user_adopted", "took a person who was here into the directory's care")
USER_UPDATED = action("directory.user_updated", "was told by the directory what changed of a person")
USER_REMOVED = action("directory.user_removed", "was told by the directory that a person is gone")
LEAVER_REFUSED = action("directory.leaver_refused", "could not deactivate a leaver as the directory asked")

DEPARTURE_SET = action("departure.set", "noted when a person's employment ends")
LEAVER_POLICY_SET = action("leaver_policy.set", "set how soon leavers must be out")
LEAVERS_EXPORTED = action("leavers.exported", "exported the report of leavers")
