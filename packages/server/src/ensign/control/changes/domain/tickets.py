"""References to tickets: what people type, and where each leads. Pure.

A reference is a key (``PAY-142``, ``INC0010023``, ``acme/shop#12``) or an address. A project says which systems there
are; a reference that none of them knows stays plain text. Words without a number are none: a policy that asks for a
ticket is not met by a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from ensign.control.kernel.errors import Invalid

Kind = Literal["jira", "servicenow", "github", "gitlab"]
KINDS: Final[tuple[Kind, ...]] = ("jira", "servicenow", "github", "gitlab")
MAX: Final = 20
LONGEST: Final = 200

_FORMS: Final[dict[Kind, re.Pattern[str]]] = {
    "jira": re.compile(r"(?P<prefix>[A-Z][A-Z0-9_]{0,19})-(?P<number>[1-9][0-9]{0,9})\Z"),
    "servicenow": re.compile(r"(?P<prefix>[A-Z]{2,10})(?P<number>[0-9]{4,12})\Z"),
    "github": re.compile(
        r"(?P<prefix>[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})#(?P<number>[1-9][0-9]{0,9})\Z"
    ),
    "gitlab": re.compile(
        r"(?P<prefix>[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)#(?P<number>[1-9][0-9]{0,9})\Z"
    ),
}
_PLAIN: Final = re.compile(r"[^\s,;<>\"'`\\\x00-\x1f\x7f]+\Z")
#: What a project may be told a system's keys begin with.
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,139}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A ticket system of a project. ``prefixes`` are what its keys begin with (``PAY``, ``INC``, ``acme/shop``); none:
    every key of its form. ``base_url`` is where it is, without a slash at the end. ``ref`` is for who reads a status.
    """

    kind: Kind
    base_url: str
    prefixes: tuple[str, ...] = ()
    ref: str = ""

    def knows(self, reference: str) -> bool:
        """Whether a reference is a key of this system."""
        found = _FORMS[self.kind].match(reference)
        return found is not None and (not self.prefixes or found["prefix"] in self.prefixes)

    def key_of(self, reference: str) -> str:
        """The key that a reference stands for: itself, or what its address ends with; "" when it is none of these."""
        if self.knows(reference):
            return reference
        for key in _keys_in(self.kind, reference, self.base_url):
            if self.knows(key):
                return key
        return ""

    def address(self, key: str) -> str:
        """The page of a key."""
        place, _, number = key.partition("#")
        match self.kind:
            case "jira":
                return f"{self.base_url}/browse/{quote(key)}"
            case "servicenow":
                return f"{self.base_url}/nav_to.do?uri={quote(f'task.do?sysparm_query=number={key}', safe='')}"
            case "github":
                return f"{self.base_url}/{quote(place)}/issues/{number}"
            case "gitlab":
                return f"{self.base_url}/{quote(place)}/-/issues/{number}"


def _keys_in(kind: Kind, address: str, base: str) -> list[str]:
    """Keys that an address of the system may be about."""
    if not address.startswith(base + "/"):
        return []
    path = urlsplit(address).path.removeprefix(urlsplit(base).path).strip("/")
    match kind:
        case "jira":
            return [path.removeprefix("browse/")] if path.startswith("browse/") else []
        case "github":
            found = re.match(r"(.+)/(?:issues|pull)/(\d+)\Z", path)
        case "gitlab":
            found = re.match(r"(.+)/-/(?:issues|work_items)/(\d+)\Z", path)
        case "servicenow":
            return re.findall(r"number(?:=|%3D)([A-Z]+[0-9]+)", address)
    return [] if found is None else [f"{found[1]}#{found[2]}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A reference as pages show it. ``url`` is empty where it leads nowhere; ``key`` is its system's, if it has one."""

    reference: str
    url: str = ""
    key: str = ""
    system: System | None = None


def link(reference: str, systems: Sequence[System]) -> Ticket:
    """Where a reference leads, by the first system that knows it; an https address leads where it says."""
    for system in systems:
        key = system.key_of(reference)
        if key:
            return Ticket(reference=reference, url=system.address(key), key=key, system=system)
    return Ticket(reference=reference, url=reference if _is_address(reference) else "")


def split(text: str) -> tuple[str, ...]:
    """The references in what somebody typed into one field: separated by spaces, commas, semicolons or lines."""
    return tuple(part for part in re.split(r"[\s,;]+", text) if part)


def clean(references: Iterable[str]) -> tuple[str, ...]:
    """References as they are kept: each once, in order.

    :raises Invalid: naming the first that is none.
    """
    found = tuple(dict.fromkeys(reference.strip() for reference in references if reference.strip()))
    if len(found) > MAX:
        raise _wrong(f"A request names at most {MAX} tickets.")
    for reference in found:
        if len(reference) > LONGEST:
            raise _wrong(f"A reference has at most {LONGEST} characters.")
        if not _PLAIN.match(reference):
            raise _wrong(f"“{reference[:40]}” is no reference: no spaces, commas, quotes or brackets.")
        if "://" not in reference and not any(letter.isdigit() for letter in reference):
            raise _wrong(f"“{reference[:40]}” names no ticket: give its number, such as PAY-142, or its address.")
        if "://" in reference and not _is_address(reference):
            raise _wrong(f"“{reference[:40]}” is no https address without a password.")
    return found


def check_base(kind: str, base_url: str, prefixes: Sequence[str]) -> tuple[Kind, str, tuple[str, ...]]:
    """A system as it may be kept.

    :raises Invalid: naming the field that is wrong.
    """
    named = next((one for one in KINDS if one == kind), None)
    if named is None:
        raise Invalid("There is no such system.", fields={"kind": f"Choose one of {', '.join(KINDS)}."})
    base = base_url.strip().rstrip("/")
    parts = urlsplit(base)
    if not _is_address(base, plain=True) or parts.query or parts.fragment:
        raise Invalid("This is no address.", fields={"base_url": "Give the https address of the system's first page."})
    cleaned = tuple(dict.fromkeys(prefix.strip() for prefix in prefixes if prefix.strip()))
    wrong = next((prefix for prefix in cleaned if not _PREFIX.match(prefix)), None)
    if wrong is not None or len(cleaned) > 50:
        raise Invalid(
            "These are no beginnings of keys.",
            fields={"prefixes": "Name them like PAY, INC or acme/shop; fifty at most."},
        )
    return named, base, cleaned


def _is_address(text: str, *, plain: bool = False) -> bool:
    try:
        parts = urlsplit(text)
        schemes = {"https", "http"} if plain else {"https"}
        return parts.scheme in schemes and bool(parts.hostname) and not parts.username and not parts.password
    except ValueError:
        return False


def _wrong(said: str) -> Invalid:
    return Invalid("A ticket cannot be read.", fields={"tickets": said})
