"""Values of identity, and the rules of names, addresses and passwords. Pure; no Django."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ensign.control.identity import agents, ways
from ensign.control.identity.tokens import Kind
from ensign.control.kernel.errors import Invalid

PersonStatus = Literal["invited", "active", "disabled", "erased"]

FORMER: Final = "former person"

INVITATION_LIFETIME: Final = timedelta(days=7)
RESET_LIFETIME: Final = timedelta(days=1)
SETUP_LIFETIME: Final = timedelta(hours=24)
TOKEN_LIFETIME: Final = timedelta(days=90)
TOKEN_LIFETIME_MAX: Final = timedelta(days=365)
#: How long a token counts at most that the identity of a CI job was exchanged for.
FEDERATED_LIFETIME_MAX: Final = timedelta(minutes=60)
#: For how long a rotated token goes on beside its successor, unless chosen otherwise; and at most.
OVERLAP: Final = timedelta(hours=24)
OVERLAP_MAX: Final = timedelta(days=7)
PURPOSE_MAX: Final = 500

#: zxcvbn's running time grows with the square of the length; what comes after 72 characters adds nothing to its score.
PASSWORD_JUDGED: Final = 72
PASSWORD_MAX: Final = 1024
PASSWORD_SCORE: Final = 3

_EMAIL: Final = re.compile(r"[^@\s<>\"(),:;\\\[\]]{1,64}@[^@\s<>\"(),:;\\\[\]/]+\.[^@\s<>\"(),:;\\\[\]/.]{2,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """A person as it stands. One who was erased has neither address nor name."""

    id: str
    email: str
    name: str
    status: PersonStatus
    version: int
    ledger_seq: int

    @property
    def display(self) -> str:
        """The name, or the address while there is none."""
        return self.name or self.email or former(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group and the ids of its members. ``managed``: by the directory (SCIM), and not by hand."""

    id: str
    name: str
    description: str
    status: Literal["active", "archived"]
    members: tuple[str, ...]
    version: int
    managed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountView:
    """A service account; ``owner`` is the id of a person, ``former_owners`` who owned it until when."""

    id: str
    name: str
    purpose: str
    owner: str
    status: Literal["active", "disabled"]
    version: int
    former_owners: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token without its secret. ``permissions`` None: all that its owner has. ``renewable_until``: how long it may
    make its own successor; ``rule``: of a federated one, the id of the rule that let it be made;
    ``vouched_by`` and ``vouched_at``: whose act, and when, it rests on; ``fingerprint``: how its SHA-256 begins.
    """

    id: str
    kind: Kind
    name: str
    subject: str
    hint: str
    permissions: tuple[str, ...] | None
    project: str | None
    environment: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    status: Literal["active", "revoked"]
    last_used_at: datetime | None
    version: int
    purpose: str = ""
    predecessor: str | None = None
    successor: str | None = None
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None
    renewable_until: datetime | None = None
    rule: str | None = None
    vouched_by: str = ""
    vouched_at: datetime | None = None
    fingerprint: str = ""

    def usable(self, *, at: datetime) -> bool:
        """Whether it opens anything at ``at``."""
        return self.status == "active" and at < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """Where somebody is signed in. ``id`` is not the session's key."""

    id: int
    address: str
    agent: str
    started_at: datetime
    seen_at: datetime
    current: bool
    way: str = ""

    @property
    def device(self) -> str:
        """Browser and system in words."""
        return agents.device(self.agent)

    @property
    def how(self) -> str:
        """How they signed in, in words."""
        return ways.in_words(self.way) or "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorView:
    """A second factor: ``kind`` is ``totp``, ``webauthn`` or ``recovery_codes``."""

    id: int
    kind: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


def former(id: str) -> str:
    """How somebody is shown who was erased: by their id, so that the log still tells people apart."""
    return f"{FORMER} ({id})"


def clean_email(text: str) -> str:
    """The address in the one form in which it is compared: trimmed, NFC, lower case.

    :raises Invalid: when it is not an address.
    """
    email = unicodedata.normalize("NFC", text.strip()).lower()
    if len(email) > 254 or not _EMAIL.match(email) or not email.isprintable():
        raise Invalid("This is not an e-mail address.", fields={"email": "Enter an address like anna@example.com."})
    return email


def clean_name(text: str, *, field: str = "name", limit: int = 100) -> str:
    """A name with runs of white space as one space.

    :raises Invalid: when it is empty, too long or holds control characters.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise Invalid("A name is missing.", fields={field: "Enter a name."})
    if len(name) > limit:
        raise Invalid("The name is too long.", fields={field: f"Use at most {limit} characters (now {len(name)})."})
    if any(unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs", "Cn"} for character in name):
        raise Invalid("The name holds unreadable characters.", fields={field: "Remove control characters."})
    return name


def clean_purpose(text: str, *, field: str = "purpose") -> str:
    """What something is for, trimmed; may be empty.

    :raises Invalid: when it is too long.
    """
    text = text.strip()
    if len(text) > PURPOSE_MAX:
        raise Invalid("The purpose is too long.", fields={field: f"Use at most {PURPOSE_MAX} characters."})
    return text


def check_overlap(overlap: timedelta) -> timedelta:
    """For how long a rotated token goes on.

    :raises Invalid: when it is negative or longer than seven days.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        hours = int(OVERLAP_MAX.total_seconds() // 3600)
        raise Invalid("The overlap is not possible.", fields={"overlap": f"Choose 0 to {hours} hours (seven days)."})
    return overlap


def check_password(password: str, *, about: tuple[str, ...] = (), field: str = "password") -> None:
    """Refuse what is guessed easily: zxcvbn's score must be 3 or 4 ("safely unguessable").

    ``about`` is what an attacker would try first: the person's address and name, the product's.

    :raises Invalid: with zxcvbn's advice.
    """
    if not password:
        raise Invalid("A password is missing.", fields={field: "Choose a password."})
    if len(password) > PASSWORD_MAX:
        raise Invalid("The password is too long.", fields={field: f"Use at most {PASSWORD_MAX:,} characters."})
    from zxcvbn import zxcvbn  # deferred: its lists of words take 13 MiB, and few processes ever judge a password

    hints = [*about, *(part for text in about for part in re.split(r"[@.\s]+", text) if part), "ensign"]
    verdict = zxcvbn(password[:PASSWORD_JUDGED], user_inputs=hints)
    if verdict["score"] < PASSWORD_SCORE:
        advice = [verdict["feedback"]["warning"], *verdict["feedback"]["suggestions"]]
        text = " ".join(f"{part.rstrip('.')}." for part in advice if part)
        raise Invalid(
            "This password is too easy to guess.",
            fields={field: f"Too easy to guess. {text or 'Use four or more unrelated words.'}"},
        )
