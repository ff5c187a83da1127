"""Check 17 (ledger-format 3.6, 3.7): approvals that are signed with a passkey, and the keys that sign them.

Fed one entry at a time in order. Memory is one small record for each approval key, for each signature of a request
that has not applied yet, and for each document of a request that was supplied.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from ensign_ledger.approval import (
    About,
    Enrolment,
    Signature,
    SignatureError,
    enrolment_problem,
    parse_enrolment,
    parse_signature,
    shown_digest,
    signature_problem,
)
from ensign_ledger.canonical import CanonicalError
from ensign_ledger.cose import PublicKey, parse_key
from ensign_ledger.entry import EntryError, parse_time
from ensign_ledger.report import Outcome
from ensign_ledger.semantics import APPLIED, WITHOUT_PRIOR_APPROVAL, Answer, Problems

APPROVED = "change_request.approved"
ENROLLED = "approval_key.enrolled"
REVOKED = "approval_key.revoked"
KEY_OBJECT = "approval_key:"
VOIDING = frozenset({"change_request.edited", "change_request.rebased", "change_request.changes_requested"})
"""What begins a new round of a request: approvals from before do not count, signed or not."""

YOUNG = timedelta(days=1)
"""Approvals by a key enrolled less long ago are counted apart, for a reader to ask about."""


@dataclass(frozen=True, slots=True)
class _Key:
    """An approval key as enrolled: ``at`` when, ``logged`` the time of that entry, which nobody can set back."""

    owner: str
    key: PublicKey
    host: str
    origin: str
    at: str
    logged: str


class SignedApprovals:
    """Check 17. ``start`` is the range's first entry; ``shown`` maps a request's document (its digest) to the digests
    of what its signed approvals were shown, as :func:`shown_in` finds them; ``earlier`` are entries from before the
    range, proven to be of the log, from which keys are known.
    """

    number = 17

    def __init__(
        self,
        *,
        start: int,
        shown: Mapping[str, Sequence[str]] | None = None,
        earlier: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._start = start
        self._shown = shown or {}
        self._keys: dict[str, _Key] = {}
        self._revoked: dict[str, int] = {}
        self._verified: dict[bytes, int] = {}
        self._voided: dict[str, tuple[int, str]] = {}
        self._good = self._unknown = self._unseen = self._young = 0
        self._first_unknown: tuple[int, str] | None = None
        self._first_young: int | None = None
        self._used: set[str] = set()
        self._problems = Problems()
        for entry in earlier:
            self._keys_of(entry)
        self._before = len(self._keys)

    def feed(self, entry: Mapping[str, Any], /) -> None:
        """See Checker."""
        self._keys_of(entry)
        if entry["action"] in VOIDING:
            for touch in entry.get("touch", ()):
                self._voided[touch["object"]] = entry["seq"], parse_time(entry["ts"], path="ts")
        elif entry["action"] == APPROVED:
            self._approved(entry)
        elif entry["action"] == APPLIED and "approval" in entry:
            self._applied(entry, entry["approval"])
            self._voided.pop(f"change_request:{entry['approval'].get('request')}", None)

    def answer(self) -> Answer:
        """See Checker."""
        if self._problems.count:
            return self._problems.answer("")
        text = f"{self._good} signatures by {len(self._used)} keys"
        if self._before:
            text += f", {self._before} of the keys enrolled before this range (not shown: that none was revoked there)"
        if self._young:
            text += f", {self._young} by a key enrolled less than a day before (first: entry {self._first_young})"
        if self._unseen:
            text += f", of {self._unseen} the document of what was shown is not supplied"
        if self._first_unknown is not None:
            seq, key = self._first_unknown
            text += (
                f"; {self._unknown} not checked, first entry {seq}: its key {key} was enrolled before entry"
                f" {self._start}, and the bundle does not carry that"
            )
            return Outcome.NOT_CHECKED, text
        return Outcome.VALID, text

    # Keys ---------------------------------------------------------------------------------------------

    def _keys_of(self, entry: Mapping[str, Any]) -> None:
        action = entry["action"]
        touched = [t["object"][len(KEY_OBJECT) :] for t in entry.get("touch", ()) if t["object"].startswith(KEY_OBJECT)]
        if action not in (ENROLLED, REVOKED):
            if touched:
                self._problems.add(entry, f"{action} changes the approval key {touched[0]}")
            return
        named = entry.get("detail", {}).get("key")
        if touched != [named]:
            self._problems.add(entry, f"it is about the approval key {named}, but does not change that alone")
        elif action == REVOKED:
            self._revoked.setdefault(named, entry["seq"])
        else:
            self._enrol(entry)

    def _enrol(self, entry: Mapping[str, Any]) -> None:
        try:
            found = parse_enrolment(entry["detail"])
            wrong = self._enrolment_problem(entry, found)
        except (SignatureError, EntryError, CanonicalError) as error:
            wrong = str(error)
        if wrong:
            self._problems.add(entry, f"the enrolment of an approval key does not hold: {wrong}")
            return
        at, logged = (parse_time(text, path="at") for text in (entry["detail"]["at"], entry["ts"]))
        key = parse_key(found.public_key)
        self._keys[found.key] = _Key(found.owner, key, found.host, found.origin, at=at, logged=logged)

    def _enrolment_problem(self, entry: Mapping[str, Any], found: Enrolment) -> str | None:
        if found.key in self._keys:
            return f"{found.key} is enrolled already"
        actor = entry["actor"]
        if (actor["kind"], actor.get("id"), actor["via"]) != ("person", found.owner, "session"):
            return "somebody enrolled a key for somebody else, or not in a session"
        at = entry["detail"].get("at")
        if parse_time(at, path="at") > parse_time(entry["ts"], path="ts"):
            return "it is later than its entry"
        return enrolment_problem(found, log=entry["log"], at=at)

    # Signatures ---------------------------------------------------------------------------------------

    def _approved(self, entry: Mapping[str, Any]) -> None:
        detail = entry.get("detail", {})
        if "signature" not in detail:
            return
        try:
            about = About(
                log=entry["log"],
                request=detail["request"],
                round=detail["round"],
                approver=entry["actor"]["id"],
                digest=detail["digest"],
                policy=detail["policy"],
            )
        except KeyError as error:
            self._problems.add(entry, f"a signed approval without {error.args[0]}")
            return
        if self._signed(entry, detail["signature"], about, at=detail.get("at"), keep=True):
            self._good += 1

    def _applied(self, entry: Mapping[str, Any], approval: Mapping[str, Any]) -> None:
        if approval["mode"] == "plan":
            return  # a step of a plan: check 13 holds its approvals against the plan's entry, which has the signatures
        signed = unsure = 0
        for approver in approval["approvers"]:
            if approver.get("signature") is None:
                continue
            signature = approver["signature"]
            about = About(
                log=entry["log"],
                request=str(approval.get("request")),
                round=signature.get("round", 0) if isinstance(signature, dict) else 0,
                approver=approver["id"],
                digest=approval["digest"],
                policy=approval["policy"],
            )
            good = self._signed(entry, signature, about, at=approver["at"], keep=False)
            signed += bool(good)
            unsure += good is None
        lacking = approval.get("signed", 0) - signed - unsure
        if lacking > 0 and approval["mode"] not in WITHOUT_PRIOR_APPROVAL:
            self._problems.add(entry, f"{signed} of {approval['signed']} approvals that had to be signed are")

    def _signed(self, entry: Mapping[str, Any], value: Any, about: About, *, at: Any, keep: bool) -> bool | None:
        """Whether the signature holds; None when its key is not known here. What is wrong is recorded.

        An approval's signature stands in its own entry (``keep``) and again where the change applies: it is
        verified once.
        """
        try:
            signature = parse_signature(value)
            key = self._keys.get(signature.key)
            if key is None and self._start > 0:
                self._unknown += 1
                self._first_unknown = self._first_unknown or (entry["seq"], signature.key)
                return None
            wrong = self._problem(entry, signature, about, key, at=at, keep=keep)
        except (SignatureError, EntryError, CanonicalError) as error:
            wrong = str(error)
        if wrong:
            self._problems.add(entry, f"the signature of {about.approver} does not hold: {wrong}")
            return False
        return True

    def _problem(
        self, entry: Mapping[str, Any], signature: Signature, about: About, key: _Key | None, *, at: Any, keep: bool
    ) -> str | None:
        if key is None:
            return f"no entry enrolled its key {signature.key}"
        if key.owner != about.approver:
            return f"its key {signature.key} is of {key.owner}"
        if signature.key in self._revoked:
            return f"its key {signature.key} was revoked by entry {self._revoked[signature.key]}"
        given = parse_time(at, path="at")
        if given > parse_time(entry["ts"], path="ts"):
            return "it is later than its entry"
        if given < key.at:
            return f"its key {signature.key} was enrolled later"
        if wrong := self._unlike_shown(entry, signature, about):
            return wrong
        identity = _identity(signature, about, at=given)
        since = self._verified.pop(identity, None)
        if not keep and self._edited_since(about, given, since):
            return "the request was edited after it was given"
        if since is None:
            wrong = signature_problem(signature, about, key=key.key, at=at, host=key.host, origin=key.origin)
            if wrong:
                return wrong
            self._note(entry, signature, key, given)
        if keep:
            self._verified[identity] = entry["seq"]
        return None

    def _edited_since(self, about: About, given: str, since: int | None) -> bool:
        """Whether the request was edited after the approval: by the order of entries where its own is in the range."""
        voided = self._voided.get(f"change_request:{about.request}")
        return voided is not None and (voided[1] > given if since is None else voided[0] > since)

    def _note(self, entry: Mapping[str, Any], signature: Signature, key: _Key, given: str) -> None:
        self._used.add(signature.key)
        if _moment(given) - _moment(key.logged) < YOUNG:
            self._young += 1
            self._first_young = entry["seq"] if self._first_young is None else self._first_young

    def _unlike_shown(self, entry: Mapping[str, Any], signature: Signature, about: About) -> str | None:
        """That the request's document, where it is supplied, gives the digest of what was shown."""
        name = f"change_request:{about.request}"
        after = next((touch["after"] for touch in entry.get("touch", ()) if touch["object"] == name), None)
        if after is None or after not in self._shown:
            self._unseen += entry["action"] == APPROVED
            return None
        return None if signature.shown in self._shown[after] else "what was shown is not what the request says"


def shown_in(document: Mapping[str, Any], /) -> tuple[str, ...] | None:
    """The digests of what each signed approval of a request's document was shown; None if it is no such document."""
    approvals = document.get("approvals")
    if not isinstance(approvals, list) or "operations" not in document:
        return None
    found = []
    for approval in approvals:
        try:
            shown = approval["signature"]["shown_as"]
            found.append(
                shown_digest(
                    project=document["project"],
                    environment=document["environment"],
                    title=document["title"],
                    reason=document["reason"],
                    sentences=shown["sentences"],
                    rows=shown["rows"],
                    nonce=shown["nonce"],
                )
            )
        except (KeyError, TypeError, CanonicalError):
            continue  # an approval that is not signed, or of no form: its signature finds no digest here
    return tuple(found)


def _identity(signature: Signature, about: About, *, at: str) -> bytes:
    """What makes two signatures the same: every member, and what they are of."""
    text = repr((signature, about, at))
    return sha256(text.encode()).digest()


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)
