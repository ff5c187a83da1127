"""What the directory, and who connects it, write into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

TOKEN_CREATED = action("directory.token_created", "made a token for the directory")
TOKEN_ROTATED = action("directory.token_rotated", "made the directory's next token; the present one ends soon")
TOKEN_REVOKED = action("directory.token_revoked", "revoked a token of the directory")

USER_ADDED = action("directory.user_added", "added a person by SCIM")
USER_ADOPTED = action("directory.user_adopted", "took a person who was here into its care by SCIM")
USER_UPDATED = action("directory.user_updated", "changed what it says of a person by SCIM")
USER_REMOVED = action("directory.user_removed", "let a person go for good by SCIM")
LEAVER_REFUSED = action("directory.leaver_refused", "asked to let the last administrator go and was refused")

DEPARTURE_SET = action("departure.set", "noted when a person's employment ends")
LEAVER_POLICY_SET = action("leaver_policy.set", "set how soon leavers must be out")
LEAVERS_EXPORTED = action("leavers.exported", "exported the report of leavers")
MOVEMENTS_EXPORTED = action("movements.exported", "exported the report of joiners and movers")
