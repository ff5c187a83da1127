"""Signed approvals as pages and the API show them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ensign_ledger.approval import approval_challenge, parse_signature

from ensign.control.changes.domain.requests import Approval, ChangeRequest
from ensign.control.changes.domain.signing import Signing as Judging
from ensign.control.changes.domain.signing import about_approval
from ensign.control.changes.loading import signing_for
from ensign.control.changes.signing import usable_keys
from ensign.control.identity.approval_keys import queries as approval_keys

#: A key younger than this when it signed is said to be new: somebody may have made it for the purpose.
YOUNG: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """An approval's signature: what was signed, by which key, and why it does not hold (empty: it does)."""

    person: str
    at: datetime
    key: str
    algorithm: str
    enrolled_at: datetime
    problem: str
    round: int
    digest: str
    policy: str
    shown: str
    sentences: tuple[str, ...]
    nonce: str
    issued: str
    expires: str
    challenge: str

    @property
    def young(self) -> bool:
        """Whether the key had been made shortly before."""
        return self.at - self.enrolled_at < YOUNG


def signed(request: ChangeRequest) -> list[Signed]:
    """The signatures of the approvals that a request has now, or that counted when it applied. A step of a plan has
    none of its own: its approvals are signed where the plan is.
    """
    if request.plan is not None:
        return []
    judging = _as_it_applied(request, signing_for(request))
    views = approval_keys.by_ids(list(judging.keys))
    found = []
    for approval in request.approvals:
        if approval.signature is None:
            continue
        view = views[str(approval.signature["key"])]
        found.append(_signed(request, approval, view, judging.log, judging.problem(request, approval)))
    return found


def _as_it_applied(request: ChangeRequest, judging: Judging) -> Judging:
    """Keys that were revoked after the request applied counted then."""
    at = request.applied_at
    if at is None:
        return judging
    keys = {
        id: replace(key, revoked_at=None) if key.revoked_at is not None and key.revoked_at >= at else key
        for id, key in judging.keys.items()
    }
    return replace(judging, keys=keys)


def _signed(request: ChangeRequest, approval: Approval, view: approval_keys.KeyView, log: str, problem: str) -> Signed:
    given = approval.signature or {}
    signature = parse_signature(given)
    said = {name: str(given[name]) for name in ("shown", "nonce", "issued", "expires")}
    return Signed(
        person=approval.person,
        at=approval.at,
        key=signature.key,
        algorithm=view.algorithm,
        enrolled_at=view.enrolled_at,
        problem=problem,
        round=signature.round,
        digest=approval.digest,
        policy=approval.policy,
        sentences=tuple(given["shown_as"]["sentences"]),
        challenge=approval_challenge(about_approval(request, approval, log=log), **said).hex(),
        **said,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How the reader approves: whether a signature is asked for, and whether they have a key to give one."""

    demanded: bool
    keys: int

    @property
    def lacking(self) -> bool:
        """Whether they cannot approve for want of a key."""
        return self.demanded and not self.keys


def of_reader(person_id: str, *, demanded: bool) -> Signing:
    """How this person approves here."""
    return Signing(demanded=demanded, keys=len(usable_keys(person_id)))
