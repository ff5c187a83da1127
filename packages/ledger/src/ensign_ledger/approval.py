"""What an approver signs, and what binds a key to its owner (ledger-format, sections 3.6 and 3.7).

A statement is canonical JSON after a line that names its kind, so that no statement can be taken for another one; the
passkey signs its SHA-256 as WebAuthn's challenge. Of a statement only what cannot be read elsewhere in the entry is
stored beside the answer: whoever verifies *rebuilds* it, and what is not as it was signed gives another challenge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ensign_ledger.canonical import encode
from ensign_ledger.cose import PublicKey, PublicKeyError, parse_key
from ensign_ledger.entry import is_digest, parse_time
from ensign_ledger.passkey import Assertion, b64url, problem, unb64url

APPROVAL = b"ensign approval v1\n"
ENROLMENT = b"ensign approval key v1\n"
SHOWN = b"ensign shown v1\n"
"""What each kind of statement begins with. A change of form gets a new line."""

MIN_NONCE = 22
"""Shortest nonce in characters: 128 bits in base64 without padding."""


class SignatureError(ValueError):
    """A signature or an enrolment that is not of the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an approval is of: everything of the statement that stands elsewhere, too.

    ``log`` is the log's origin, ``round`` the review round, ``digest`` that of the change (which covers project,
    environment, operations and the versions that they start from), ``policy`` the policy and its version.
    """

    log: str
    request: str
    round: int
    approver: str
    digest: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """An approval's signature as it stands in an entry: by which key, over what else, and the answer itself.

    ``shown`` is the digest of what was shown; ``issued`` and ``expires`` bound when the question was good.
    """

    key: str
    round: int
    shown: str
    nonce: str
    issued: str
    expires: str
    answer: Assertion

    def to_entry(self) -> dict[str, Any]:
        """JSON form: the inverse of :func:`parse_signature`."""
        return {
            "key": self.key,
            "round": self.round,
            "shown": self.shown,
            "nonce": self.nonce,
            "issued": self.issued,
            "expires": self.expires,
            **answer_members(self.answer),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """That ``owner`` made a passkey an approval key, as the entry says it; ``answer`` is that passkey's own.

    ``credential`` is the SHA-256 of WebAuthn's credential id; ``host`` and ``origin`` are where the key may be used.
    """

    key: str
    owner: str
    public_key: bytes
    credential: str
    host: str
    origin: str
    nonce: str
    issued: str
    expires: str
    answer: Assertion

    def to_entry(self) -> dict[str, Any]:
        """The members of the entry's ``detail``: the inverse of :func:`parse_enrolment`."""
        return {
            "key": self.key,
            "owner": self.owner,
            "algorithm": parse_key(self.public_key).algorithm,
            "public_key": b64url(self.public_key),
            "credential": self.credential,
            "host": self.host,
            "origin": self.origin,
            "nonce": self.nonce,
            "issued": self.issued,
            "expires": self.expires,
            **answer_members(self.answer),
        }


def shown_digest(
    *,
    project: str,
    environment: str,
    title: str,
    reason: str,
    sentences: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    nonce: str,
) -> str:
    """The digest of what an approver is shown: the request's own words, and the change in sentences and rows.

    ``rows`` are ``{"path", "before", "after"}``, texts or null. The ``nonce`` is secret, so that the digest does not
    tell a reason that somebody guesses; it stands in the request's document.
    """
    document = {
        "project": project,
        "environment": environment,
        "title": title,
        "reason": reason,
        "sentences": list(sentences),
        "rows": [{"path": row["path"], "before": row["before"], "after": row["after"]} for row in rows],
        "nonce": nonce,
    }
    return sha256(SHOWN + encode(document)).hexdigest()


def approval_challenge(about: About, *, shown: str, nonce: str, issued: str, expires: str) -> bytes:
    """The challenge that a passkey answers to approve: SHA-256 of the approval statement."""
    return sha256(
        APPROVAL
        + encode(
            {
                "log": about.log,
                "request": about.request,
                "round": about.round,
                "approver": about.approver,
                "decision": "approve",
                "digest": about.digest,
                "policy": about.policy,
                "shown": shown,
                "nonce": nonce,
                "issued": issued,
                "expires": expires,
            }
        )
    ).digest()


def enrolment_challenge(
    *,
    log: str,
    key: str,
    owner: str,
    public_key: bytes,
    credential: str,
    host: str,
    origin: str,
    nonce: str,
    issued: str,
    expires: str,
) -> bytes:
    """The challenge that a passkey answers to become an approval key: it vouches for its own enrolment."""
    return sha256(
        ENROLMENT
        + encode(
            {
                "log": log,
                "key": key,
                "owner": owner,
                "public_key": b64url(public_key),
                "credential": credential,
                "host": host,
                "origin": origin,
                "nonce": nonce,
                "issued": issued,
                "expires": expires,
            }
        )
    ).digest()


def signature_problem(
    signature: Signature, about: About, *, key: PublicKey, at: str, host: str, origin: str
) -> str | None:
    """Why the signature is none of this approval by this key, given at ``at`` (a time); None if it is one."""
    if signature.round != about.round:
        return f"it was signed in round {signature.round}, not {about.round}"
    if late := _late(signature.issued, signature.expires, at):
        return late
    challenge = approval_challenge(
        about, shown=signature.shown, nonce=signature.nonce, issued=signature.issued, expires=signature.expires
    )
    return problem(signature.answer, key=key, challenge=challenge, host=host, origin=origin)


def enrolment_problem(enrolment: Enrolment, *, log: str, at: str) -> str | None:
    """Why the key's own answer does not vouch for its enrolment at ``at`` (a time); None if it does."""
    try:
        key = parse_key(enrolment.public_key)
    except PublicKeyError as error:
        return str(error)
    if late := _late(enrolment.issued, enrolment.expires, at):
        return late
    challenge = enrolment_challenge(
        log=log,
        key=enrolment.key,
        owner=enrolment.owner,
        public_key=enrolment.public_key,
        credential=enrolment.credential,
        host=enrolment.host,
        origin=enrolment.origin,
        nonce=enrolment.nonce,
        issued=enrolment.issued,
        expires=enrolment.expires,
    )
    return problem(enrolment.answer, key=key, challenge=challenge, host=enrolment.host, origin=enrolment.origin)


def _late(issued: str, expires: str, at: str) -> str | None:
    """Why an answer at ``at`` is none to a question that was good from ``issued`` to ``expires``."""
    first, last, then = (parse_time(text, path="time") for text in (issued, expires, at))
    if then < first:
        return "it is older than the question that it answers"
    return "it came after the question had expired" if then > last else None


def answer_members(answer: Assertion, /) -> dict[str, str]:
    """The three parts of an answer in base64url."""
    return {
        "authenticator_data": b64url(answer.authenticator_data),
        "client_data": b64url(answer.client_data),
        "signature": b64url(answer.signature),
    }


def parse_signature(value: Any, /) -> Signature:
    """Read an approval's signature from an entry; raises SignatureError."""
    members = _object(value)
    round_ = members.get("round")
    if type(round_) is not int or round_ < 1:
        raise SignatureError("round is not a number from 1")
    return Signature(
        key=_text(members, "key"),
        round=round_,
        shown=_digest(members, "shown"),
        **_question(members),
        answer=_answer(members),
    )


def parse_enrolment(value: Any, /) -> Enrolment:
    """Read an enrolment from an entry's ``detail``; raises SignatureError."""
    members = _object(value)
    try:
        public_key = unb64url(members.get("public_key"))
        algorithm = parse_key(public_key).algorithm
    except (ValueError, PublicKeyError) as error:
        raise SignatureError(f"public_key: {error}") from None
    if members.get("algorithm") != algorithm:
        raise SignatureError("algorithm is not that of the key")
    return Enrolment(
        **{name: _text(members, name) for name in ("key", "owner", "host", "origin")},
        public_key=public_key,
        credential=_digest(members, "credential"),
        **_question(members),
        answer=_answer(members),
    )


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SignatureError("not an object")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise SignatureError(f"{name} is not a text, or empty")
    return value


def _digest(members: Mapping[str, Any], name: str) -> str:
    if not is_digest(members.get(name)):
        raise SignatureError(f"{name} is not a digest")
    return str(members[name])


def _question(members: Mapping[str, Any]) -> dict[str, str]:
    """The nonce and the times of the question that was answered."""
    nonce = _text(members, "nonce")
    if len(nonce) < MIN_NONCE:
        raise SignatureError(f"the nonce has less than {MIN_NONCE} characters")
    for name in ("issued", "expires"):
        try:
            parse_time(members.get(name), path=name)
        except ValueError as error:
            raise SignatureError(str(error)) from None
    return {"nonce": nonce, "issued": members["issued"], "expires": members["expires"]}


def _answer(members: Mapping[str, Any]) -> Assertion:
    try:
        return Assertion(*(unb64url(members.get(name)) for name in ("authenticator_data", "client_data", "signature")))
    except ValueError as error:
        raise SignatureError(f"the answer is {error}") from None
