"""Whether an approval's signature holds for a request as it stands. Pure; closed by default.

What is checked, and what a signature is, stands in ``ensign_ledger.approval``, so that an auditor's verifier judges by
the same code. A signature is judged anew whenever it is counted: from the request's present words, round, digest and
policy the statement is rebuilt, and what is not as it was signed gives another challenge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from ensign_ledger.approval import About, Signature, SignatureError, parse_signature, shown_digest, signature_problem
from ensign_ledger.cose import parse_key

from ensign.control.changes.domain.diff import Row
from ensign.control.changes.domain.requests import Approval, ChangeRequest
from ensign.control.kernel import clock

UNSIGNED = "not signed with a passkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An approval key. ``host`` and ``origin`` are where it may be used; ``revoked_at`` None while it counts."""

    id: str
    owner: str
    public_key: bytes
    host: str
    origin: str
    enrolled_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What signatures are judged against: the log's origin, and the approval keys by id. The default knows no key, so
    that no signature holds.
    """

    log: str = ""
    keys: Mapping[str, Key] = field(default_factory=dict)

    def problem(self, request: ChangeRequest, approval: Approval) -> str:
        """Why the approval is not signed for the request as it is now, in words; empty when it is."""
        if approval.signature is None:
            return UNSIGNED
        try:
            signature = parse_signature(approval.signature)
            shown = shown_now(request, approval.signature["shown_as"])
        except (SignatureError, KeyError, TypeError):
            return "its signature cannot be read"
        key = self.keys.get(signature.key)
        if key is None or key.owner != approval.person:
            return "its key is not an approval key of theirs"
        if key.revoked_at is not None:
            return "its key was revoked"
        if approval.at < key.enrolled_at:
            return "its key was enrolled later"
        if shown != signature.shown:
            return "what was shown when it was signed is not what the request says"
        about = about_approval(request, approval, log=self.log)
        if _problem(signature, about, key.public_key, clock.text(approval.at), key.host, key.origin):
            return "its signature is not of this"
        return ""


#: By default no key is known.
NO_KEYS = Signing()


def about_approval(request: ChangeRequest, approval: Approval, *, log: str) -> About:
    """What an approval of the request as it is now is about; ``log`` is the log's origin."""
    return About(
        log=log,
        request=request.id,
        round=request.round,
        approver=approval.person,
        digest=request.digest,
        policy=approval.policy,
    )


def shown_as(sentences: Sequence[str], rows: Sequence[Row], *, nonce: str) -> dict[str, Any]:
    """What a reviewer is shown of a change, as it is kept beside the signature, under a secret nonce."""
    return {
        "sentences": list(sentences),
        "rows": [{"path": row.path, "before": row.before, "after": row.after} for row in rows],
        "nonce": nonce,
    }


def shown_now(request: ChangeRequest, shown: Mapping[str, Any]) -> str:
    """The digest of what is shown: the request's present words, and the change as it was shown then.

    The change itself is bound by the request's digest; its sentences and rows are kept as they were, since a later
    version of Ensign may say the same in other words.
    """
    return shown_digest(
        project=request.project,
        environment=request.environment,
        title=request.title,
        reason=request.reason,
        sentences=shown["sentences"],
        rows=shown["rows"],
        nonce=shown["nonce"],
    )


def in_entry(signature: Mapping[str, Any]) -> dict[str, Any]:
    """The signature as it stands in an entry: without the words that were shown, which a document can forget."""
    return {name: value for name, value in signature.items() if name != "shown_as"}


@lru_cache(maxsize=4096)
def _problem(signature: Signature, about: About, public_key: bytes, at: str, host: str, origin: str) -> str | None:
    """Remembered, as pages and lists ask the same again: it is a function of signed bytes."""
    return signature_problem(signature, about, key=parse_key(public_key), at=at, host=host, origin=origin)
