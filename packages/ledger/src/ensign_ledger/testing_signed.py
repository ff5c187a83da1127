"""A log in memory whose approvals are signed, for tests: as the product makes it, or wrong in any way."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ensign_ledger.approval import About, Signature, shown_digest
from ensign_ledger.canonical import encode
from ensign_ledger.testing import SimulatedLog
from ensign_ledger.testing_passkeys import SimulatedPasskey

ROWS = ({"path": "a in production › rollout", "before": "10 %", "after": "50 %"},)
SENTENCES = ("Rollout of a in production goes from 10 % to 50 % of users.",)
POLICY = "pol_default@1"
DIGEST = sha256(encode({"rollout": 50})).hexdigest()


class SignedLog(SimulatedLog):
    """The request ``crq_1`` by usr_ada, which usr_bo approves with the key ``apk_bo``."""

    def __init__(self, passkey: SimulatedPasskey | None = None) -> None:
        super().__init__()
        self.passkey = passkey or SimulatedPasskey()
        self.signature: Signature | None = None
        self.append("workspace.created", actor={"kind": "system", "id": "setup", "via": "setup"})

    def enrol(
        self, key: str = "apk_bo", *, owner: str = "usr_bo", passkey: SimulatedPasskey | None = None,
        actor: str | None = None, lies: Mapping[str, Any] | None = None, **detail: Any,
    ) -> None:  # fmt: skip
        """Append an enrolment; ``lies`` go to the passkey, ``detail`` replaces members of the entry's."""
        said = (passkey or self.passkey).enrol(
            log=self.origin, key=key, owner=owner, issued=self.now(), expires=self.now(60), **(lies or {})
        )
        self.append(
            "approval_key.enrolled",
            actor={"kind": "person", "id": actor or owner, "via": "session"},
            touch=[self.touch(f"approval_key:{key}", {"owner": owner, "status": "active"})],
            detail={**said.to_entry(), "at": self.now(), **detail},
        )

    def revoke(self, key: str = "apk_bo") -> None:
        """Append a revocation."""
        touch = self.touch(f"approval_key:{key}", {"status": "revoked"})
        self.append("approval_key.revoked", touch=[touch], detail={"key": key})

    def edit(self, request: str = "crq_1") -> None:
        """Append an edit of the request."""
        self.append("change_request.edited", touch=[self.touch(f"change_request:{request}", {"edited": True})])

    def approve(
        self, *, round: int = 1, approver: str = "usr_bo", key: str = "apk_bo", request: str = "crq_1",
        passkey: SimulatedPasskey | None = None, signature: Signature | None = None,
        lies: Mapping[str, Any] | None = None, **detail: Any,
    ) -> Signature:  # fmt: skip
        """Append an approval with its signature, and return that."""
        about = About(log=self.origin, request=request, round=round, approver=approver, digest=DIGEST, policy=POLICY)
        shown: dict[str, Any] = {"sentences": list(SENTENCES), "rows": list(ROWS), "nonce": "5a" * 16}
        document: dict[str, Any] = {
            "project": "shop",
            "environment": "production",
            "title": "Widen",
            "reason": "It went well.",
        }
        signature = signature or (passkey or self.passkey).approve(
            about, key=key, shown=shown_digest(**document, **shown), issued=self.now(), expires=self.now(60),
            **(lies or {}),
        )  # fmt: skip
        state = {
            **document,
            "operations": [],
            "approvals": [{"signature": {**signature.to_entry(), "shown_as": shown}}],
        }
        said = {"request": request, "round": round, "digest": DIGEST, "policy": POLICY, "at": self.now()}
        self.append(
            "change_request.approved",
            actor={"kind": "person", "id": approver, "via": "session"},
            touch=[self.touch(f"change_request:{request}", state)],
            detail={**said, "signature": signature.to_entry(), **detail},
        )
        self.signature = signature
        return signature

    def apply(
        self, *signatures: tuple[str, Signature | None, str], signed: int = 1, request: str = "crq_1", **approval: Any
    ) -> None:
        """Append the application with approvals (approver, signature, time); by default the last one given."""
        given = signatures or (("usr_bo", self.signature, self.moment(len(self.entries) - 1)),)
        approvers = [
            {
                "id": who, "at": at, "digest": DIGEST, "via": "session",
                **({} if signature is None else {"signature": signature.to_entry()}),
            }
            for who, signature, at in given
        ]  # fmt: skip
        self.append(
            "change_request.applied",
            touch=[self.touch("config:cfg_a", {"rollout": 50, "at": len(self.entries)})],
            where={"project": "shop", "environment": "production"},
            approval={
                "request": request, "author": "usr_ada", "contributors": [], "approvers": approvers,
                "required": len(approvers), "signed": signed, "digest": DIGEST, "policy": POLICY, "mode": "request",
                "protected": True, **approval,
            },
        )  # fmt: skip

    def now(self, seconds: int = 0) -> str:
        """The time of the next entry, or that many seconds later."""
        return self.moment(len(self.entries) + seconds)


def signed_log(passkey: SimulatedPasskey | None = None) -> SignedLog:
    """Set-up, enrolment, approval, application, and an entry after them."""
    log = SignedLog(passkey)
    log.enrol()
    log.approve()
    log.apply()
    log.append("flag.created", touch=[log.touch("flag:flg_b", {"key": "b"})])
    return log
