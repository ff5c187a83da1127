"""Who may approve, and what may apply: the trust decisions of the write door. Pure, and closed by default.

The rules are those of segregation of duties (docs/controls): an approver wrote and edited nothing of it, nor stood
behind a service account that did (1); an approval binds digest, base and policy (2) and expires (3); the approver is
still entitled, and among those whom the policy asks for, when it applies (4); only people in a session with a recent
second factor approve (5); nobody is exempt (6). Where a policy asks for it, an approval is a passkey's signature over
all of that (7). What an emergency change rests on instead is in :mod:`emergency` (8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ensign.control.changes.domain.approvers import WhoIs as WhoIs
from ensign.control.changes.domain.approvers import admitted, lacking
from ensign.control.changes.domain.approvers import unknown as unknown
from ensign.control.changes.domain.requests import OPEN, Approval, ChangeRequest, PolicyInForce
from ensign.control.changes.domain.signing import NO_KEYS, Signing
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, NeedsMfa
from ensign.control.projects import policy_words as words

APPROVE = "change:approve"
#: Ensign itself at the time that a person has set: it applies what is scheduled, and the steps of plans.
SCHEDULER = "sys_scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """What is known, at one moment, of those who may approve one request. By default nobody is known for anything.

    ``entitled``: holds ``change:approve`` in every environment reached. ``owners``: the people who answer now for the
    service accounts among the authors; like those who stood behind them then, they are no second person. ``who``: what
    somebody is there, for policies that say who may approve. ``signing``: what signatures are judged against.
    """

    entitled: Callable[[str], bool]
    owners: frozenset[str] = frozenset()
    who: WhoIs = unknown
    signing: Signing = NO_KEYS


def moved(request: ChangeRequest, current: Mapping[str, int]) -> tuple[str, ...]:
    """Names of the objects whose version is no longer that of the base, sorted; () when none is."""
    names = {*request.base, *current}
    return tuple(sorted(name for name in names if request.base.get(name) != current.get(name)))


def require_unmoved(request: ChangeRequest, current: Mapping[str, int]) -> None:
    """Refuse when something that the request touches or references changed since it was written.

    :raises Conflict: code ``conflicted``; ``fields`` names each object.
    """
    changed = moved(request, current)
    if changed:
        raise Conflict(
            "Somebody else changed what this request is about, after it was written.",
            remedy="Look at both changes on the request's page; then bring the request up to date, for review anew.",
            code="conflicted",
            fields={name: f"version {request.base.get(name, 0)} became {current.get(name, 0)}" for name in changed},
        )


def refusal_to_approve(
    request: ChangeRequest,
    actor: Actor,
    *,
    at: datetime,
    policy: PolicyInForce,
    judges: Judges,
) -> Denied | Conflict | None:
    """Why ``actor`` may not approve this, or None. What can be put right with a second factor comes last."""
    scope = f"{request.project}/{request.environment}"

    def no(message: str, code: str, remedy: str = "") -> Denied:
        return Denied(message, permission=APPROVE, scope=scope, remedy=remedy, code=code)

    if not actor.interactive:  # 5
        return no(
            "A token cannot approve: approval is an act of a person in a session.",
            "approval-by-token",
            "Ask a person to sign in and look at the request.",
        )
    if actor.id in request.barred or actor.id in judges.owners:  # 1
        return no(
            f"You {_part(actor.id, request)}, so somebody else must approve it.", "own-change", "Ask a colleague."
        )
    if not judges.entitled(actor.id):  # 4
        return no(
            f"You may not approve changes in {', '.join(policy.environments) or request.environment}.",
            "not-entitled",
            "An administrator can give you the role approver there.",
        )
    if not admitted(judges.who, actor.id, policy):  # 4
        asked = "; ".join(words.approvers(one, policy.names) for one in policy.demand.approvers)
        return no(
            f"The policy asks for the approval of {asked}; you are not among them.",
            "not-among-approvers",
            "Ask one of them.",
        )
    if request.status not in {"in_review", "approved", "scheduled"}:
        return Conflict(f"This request is {request.status.replace('_', ' ')}, not in review.", code="not-in-review")
    if request.due(at):
        return _expired()
    if any(given.person == actor.id for given in in_force(request, at=at, policy=policy, signing=judges.signing)):
        return Conflict("You have approved this already.", code="already-approved")
    if not actor.recent_mfa(at=at):  # 5
        return NeedsMfa(
            "Approving needs a second factor that you proved within the last 30 minutes.",
            permission=APPROVE,
            scope=scope,
            remedy="Confirm with your passkey or authenticator and approve again;"
            " if you have neither yet, add one under Your account → Second factors.",
        )
    return None


def _expired() -> Conflict:
    return Conflict(
        "This request has expired: it waited longer than the policy allows.",
        remedy="Propose the change again.",
        code="expired",
    )


def require_in_time(request: ChangeRequest, *, at: datetime) -> None:
    """Refuse what is due to expire, also before anything by the clock has ended it.

    :raises Conflict: code ``expired``.
    """
    if request.due(at):
        raise _expired()


def _part(person: str, request: ChangeRequest) -> str:
    if person == request.author:
        return "wrote this request"
    if person in request.contributors:
        return "edited this request"
    if request.author.startswith("sys_"):
        return "asked for what this request comes of"
    return "answer for the service account that wrote this request, or made the token that it used"


def signature_lack(request: ChangeRequest, approval: Approval, *, policy: PolicyInForce, signing: Signing) -> str:
    """Why the approval's signature does not let it count, or empty. A signature that was given must hold (7), also
    where the policy does not ask for one: what its key's owner revoked is no approval of theirs.
    """
    if approval.signature is None and not policy.demand.signed:
        return ""
    return signing.problem(request, approval)


def require_signed(request: ChangeRequest, approval: Approval, *, policy: PolicyInForce, signing: Signing) -> None:
    """Refuse an approval that lacks the signature that the policy asks for, or has one that does not hold (7).

    :raises Conflict: when there is none. :raises Denied: when it does not hold.
    """
    lack = signature_lack(request, approval, policy=policy, signing=signing)
    if not lack:
        return
    if approval.signature is None:
        raise Conflict(
            f"An approval in {', '.join(policy.environments) or request.environment} is signed with a passkey.",
            remedy="Approve in the browser, with a passkey that is an approval key;"
            " you make one under Your account → Approval keys.",
            code="signature-required",
        )
    raise Denied(
        f"The passkey's signature does not hold: {lack}.",
        permission=APPROVE,
        scope=f"{request.project}/{request.environment}",
        remedy="Reload the request and approve again.",
        code="signature-refused",
    )


def in_force(
    request: ChangeRequest, *, at: datetime, policy: PolicyInForce, signing: Signing = NO_KEYS
) -> tuple[Approval, ...]:
    """The approvals that still bind: of this digest, round and policy, unexpired, one per person, nobody barred; and
    signed, where the policy asks for it. By default no key is known, and no signature holds.
    """
    found: dict[str, Approval] = {}
    for approval in request.approvals:
        if (
            approval.digest == request.digest
            and approval.round == request.round
            and approval.policy == policy.ref
            and approval.at - clock.SKEW <= at < approval.at + policy.lifetime
            and approval.person not in request.barred
            and not signature_lack(request, approval, policy=policy, signing=signing)
        ):
            found.setdefault(approval.person, approval)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a request has of what the policy asks for. ``lost`` says why each other approval no longer counts.

    ``absent`` are the groups (ids) none of whose members has approved though each must; ``lacks`` says in sentences
    what is missing.
    """

    counted: tuple[Approval, ...]
    required: int
    lost: tuple[tuple[Approval, str], ...] = ()
    absent: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether it may apply as far as approvals go."""
        return len(self.counted) >= self.required and not self.absent

    @property
    def missing(self) -> int:
        """How many approvals it lacks."""
        return max(0, self.required - len(self.counted), 1 if self.absent else 0)


def verdict(
    request: ChangeRequest,
    *,
    at: datetime,
    policy: PolicyInForce,
    judges: Judges,
) -> Verdict:
    """Count the approvals as they stand now: in force, and of people who are still active, entitled and asked for.

    One person may stand for several groups that each must approve, but counts once.
    """
    binding = in_force(request, at=at, policy=policy, signing=judges.signing)
    able = [a for a in binding if a.person not in judges.owners and judges.entitled(a.person)]
    counted = tuple(a for a in able if admitted(judges.who, a.person, policy))
    lost = []
    for approval in request.approvals:
        if approval in counted:
            continue
        if approval in able:
            why = "not among those who must approve this"
        elif approval in binding:
            why = "no longer entitled to approve here"
        elif approval.policy != policy.ref:
            why = "the policy changed since"
        elif approval.digest != request.digest or approval.round != request.round:
            why = "the request was edited since"
        elif approval.at > at + clock.SKEW:
            why = "given by a node whose clock is ahead of this one's"
        else:
            why = signature_lack(request, approval, policy=policy, signing=judges.signing) or "expired"
        lost.append((approval, why))
    groups = policy.demand.each_group
    present = frozenset[str]().union(*(judges.who(a.person).groups for a in counted)) if groups else frozenset[str]()
    absent = tuple(group for group in groups if group not in present)
    return Verdict(
        counted=counted,
        required=policy.required,
        lost=tuple(lost),
        absent=absent,
        lacks=lacking(policy, len(counted), absent),
    )


def require_open(request: ChangeRequest, *, direct: bool, emergency: bool = False) -> None:
    """That it waits to be applied. Also asked before :func:`require_unmoved`, as an applied request moved its own base.

    An emergency takes it from any state in which it can still apply one day.

    :raises Conflict: saying what it is instead.
    """
    if request.status == "applied":
        raise Conflict("This request has been applied already.", code="wrong-state")
    if request.status not in (OPEN if emergency else {"draft"} if direct else {"in_review", "approved", "scheduled"}):
        raise Conflict(f"This request is {request.status.replace('_', ' ')}; it cannot apply.", code="not-approved")


def acting(request: ChangeRequest, actor: Actor, *, at: datetime) -> str:
    """Who it is that applies it: the actor, or for what is scheduled and due, who set the time.

    Whatever waits for a time applies by nobody's hand before it.

    :raises Conflict: when its time has not come. :raises Denied: when Ensign would apply what nobody scheduled.
    """
    timed = request.schedule if request.schedule is not None and request.schedule.state == "pending" else None
    if timed is not None and at < timed.at:
        raise Conflict(
            f"This is scheduled for {timed.at:%Y-%m-%d %H:%M} UTC and does not apply before.",
            remedy="To apply it now, cancel the schedule first.",
            code="not-due",
        )
    if actor.id != SCHEDULER:
        return actor.id
    if timed is None:
        scope = f"{request.project}/{request.environment}"
        raise Denied("Nobody scheduled this.", permission="change:apply", scope=scope, code="not-scheduled")
    return timed.by


def require_applicable(
    request: ChangeRequest,
    *,
    digest: str,
    current: Mapping[str, int],
    judged: Verdict,
    acting: str,
    direct: bool = False,
    emergency: bool = False,
) -> None:
    """The last gate before state changes, asked under lock. ``digest`` was computed anew from what would apply.

    1. it is submitted and open; 2. what would apply is what was approved; 3. nothing moved; 4. the approvals that the
    policy in force asks for are there; 5. who applies (``acting``, an id) wrote, edited or approved it. ``direct`` is
    for what is proposed and applied in one act, which was never submitted. ``emergency``: its opening said who may,
    so that a colleague's fix can be applied, too.

    :raises Conflict: for 1 to 4, :raises Denied: for 5.
    """
    require_open(request, direct=direct, emergency=emergency)  # 1
    if digest != request.digest:  # 2
        raise Conflict(
            "What would apply is not what was submitted.",
            remedy="Edit the request, so that it is reviewed anew.",
            code="digest-mismatch",
        )
    require_unmoved(request, current)  # 3
    if not judged.enough:  # 4
        lost = "; ".join(sorted({why for _, why in judged.lost}))
        raise Conflict(
            " ".join(
                (
                    f"{len(judged.counted)} of {judged.required} approvals count now{f' ({lost})' if lost else ''}.",
                    *judged.lacks,
                )
            ),
            remedy="Ask for approval, then apply.",
            code="not-approved",
        )
    if not emergency and acting not in request.authors and all(acting != a.person for a in judged.counted):  # 5
        raise Denied(
            "Only who wrote, edited or approved this request applies it.",
            permission="change:apply",
            scope=f"{request.project}/{request.environment}",
            remedy="Approve it, or ask its author to apply it.",
            code="not-involved",
        )
