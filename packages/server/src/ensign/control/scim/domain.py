"""What the directory says of a person, as a value; and which address and name follow from it. Pure; no Django."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ensign.control.identity.domain import clean_email
from ensign.control.kernel.errors import Invalid

TEXT_MAX: Final = 200
EMAILS_MAX: Final = 20
#: Who has no address gets one that can never receive anything (RFC 2606), so that everybody has exactly one.
NO_ADDRESS: Final = "no-address.invalid"

#: Of people: nobody is here any more.
GONE: Final = frozenset({"disabled", "erased"})

_TEXTS: Final = ("display_name", "formatted", "given_name", "family_name", "title", "department", "manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """One address as the directory wrote it."""

    value: str
    type: str | None = None
    primary: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the directory says of a person. ``active`` None: it says nothing, and nothing follows."""

    user_name: str
    external_id: str | None = None
    active: bool | None = None
    display_name: str | None = None
    formatted: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    title: str | None = None
    department: str | None = None
    manager: str | None = None
    emails: tuple[Email, ...] = ()
    terminated_at: str | None = None

    @property
    def key(self) -> str:
        """The user name as it is compared."""
        return key_of(self.user_name)

    def address(self, person_id: str) -> str:
        """The person's one address: the primary one, the first for work, the first, or the user name if it is one.

        :raises Invalid: when the one that counts is no address.
        """
        ranked = sorted(self.emails, key=lambda one: (not one.primary, (one.type or "").lower() != "work"))
        for email in ranked[:1]:
            return clean_email(email.value)
        try:
            return clean_email(self.user_name)
        except Invalid:
            return f"{person_id.replace('_', '-')}@{NO_ADDRESS}"

    @property
    def shown(self) -> str:
        """The name that Ensign shows; "" when there is none."""
        parts = " ".join(part for part in (self.given_name, self.family_name) if part)
        return " ".join((self.display_name or self.formatted or parts).split())[:100].strip()

    def to_state(self) -> dict[str, Any]:
        """What is kept with the person's directory record; whether they are active and when they leave stand apart."""
        return {
            "user_name": self.user_name,
            "user_key": self.key,
            "external_id": self.external_id,
            "active_stated": self.active is not None,
            **{name: getattr(self, name) for name in _TEXTS},
            "emails": [{"value": e.value, "type": e.type, "primary": e.primary} for e in self.emails],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any], *, active: bool, terminated_at: str | None) -> Said:
        """The inverse of :meth:`to_state`, as things stand."""
        return Said(
            user_name=state["user_name"],
            external_id=state["external_id"],
            active=active if state["active_stated"] else None,
            emails=tuple(Email(**one) for one in state["emails"]),
            terminated_at=terminated_at,
            **{name: state[name] for name in _TEXTS},
        )

    def changed(self, before: Said) -> tuple[str, ...]:
        """Names of what differs, for the log: names of attributes, never values."""
        names = ("user_name", "external_id", "active", "emails", *_TEXTS)
        return tuple(sorted(name for name in names if getattr(self, name) != getattr(before, name)))


def instant(text: str) -> datetime:
    """A date and time as directories write them: ISO 8601, UTC unless it says otherwise; a date is its midnight.

    :raises Invalid: when it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("This is no date and time.", fields={"termination_at": "Write 2026-12-31T17:00:00Z."}) from error


def key_of(user_name: str) -> str:
    """The one form in which user names are compared."""
    return unicodedata.normalize("NFC", user_name).strip().casefold()


def check(said: Said) -> None:
    """Refuse what cannot be kept.

    :raises Invalid: naming the attribute; never its value.
    """
    texts = {name: getattr(said, name) for name in ("user_name", "external_id", "terminated_at", *_TEXTS)}
    for number, email in enumerate(said.emails):
        texts[f"emails.{number}.value"], texts[f"emails.{number}.type"] = email.value, email.type
    for name, text in texts.items():
        if text is not None and (len(text) > TEXT_MAX or not _readable(text)):
            raise Invalid(
                f"An attribute is longer than {TEXT_MAX} characters or holds unreadable ones.",
                fields={name: "too long"},
            )
    if not said.key:
        raise Invalid("A userName is missing.", fields={"user_name": "missing"})
    if said.terminated_at is not None:
        instant(said.terminated_at)
    if len(said.emails) > EMAILS_MAX:
        raise Invalid(f"More than {EMAILS_MAX} e-mail addresses.", fields={"emails": "too many"})


def _readable(text: str) -> bool:
    return not any(unicodedata.category(character) in {"Cc", "Cs", "Cn", "Co"} for character in text)
