"""Rules of federation: what one may say, and whether a job's claims match. Pure; no Django.

A pattern is exact but for ``*``, which stands for any run of characters without ``/`` and ``:``, and ``**``, which
stands for any run without ``:``. No rule may let in whoever has an account at the issuer: it pins a repository.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.kernel.errors import Invalid

Shape = Literal["github", "gitlab", "other"]

MINUTES_DEFAULT: Final = 15
MINUTES_MIN: Final = 5
MINUTES_MAX: Final = 60
MAX_CLAIMS: Final = 10
MAX_PATTERN: Final = 256
MAX_VALUE: Final = 1024
"""A longer value of a claim matches nothing."""
MAX_STARS: Final = 2

GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.com"
#: Issuers whose shape is known, whatever was chosen: everybody in the world can get a token from them.
_KNOWN: Final[Mapping[str, Shape]] = {GITHUB: "github", GITLAB: "gitlab"}

#: Checked by itself, or of no use as an identity.
_OWN: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_CLAIM: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}\Z")
_LITERAL: Final = re.compile(r"[^*:/\s]+\Z")
_ISSUER: Final = re.compile(r"https?://[a-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~-]+)*/?\Z")
_AUDIENCE: Final = re.compile(r"[\x21-\x7e]{1,500}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWish:
    """What a rule should say. ``claims``: name -> pattern; ``permissions`` None is no narrowing."""

    name: str
    shape: str
    issuer: str
    audience: str
    claims: Mapping[str, str]
    permissions: frozenset[str] | None = None
    scope: Scope = ORGANISATION
    minutes: int = MINUTES_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule as it stands."""

    id: str
    service_account: str
    name: str
    shape: Shape
    issuer: str
    audience: str
    claims: Mapping[str, str]
    permissions: tuple[str, ...] | None
    edition: int
    project: str | None
    environment: str | None
    minutes: int
    status: Literal["active", "ended"]
    created_by: str
    created_at: datetime
    changed_by: str
    version: int


def check(wish: RuleWish) -> Shape:
    """Refuse a rule that says too little, too much or nothing that can be checked; returns its shape.

    :raises Invalid: naming the field that is wrong.
    """
    if wish.shape not in get_args(Shape):
        raise Invalid("There is no such shape.", fields={"shape": f"Choose one of {', '.join(get_args(Shape))}."})
    check_issuer(wish.issuer)
    if not _AUDIENCE.match(wish.audience):
        raise Invalid("This is no audience.", fields={"audience": "Use 1 to 500 printable characters without spaces."})
    if not MINUTES_MIN <= wish.minutes <= MINUTES_MAX:
        raise Invalid(
            "This lifetime is not possible.", fields={"minutes": f"Choose {MINUTES_MIN} to {MINUTES_MAX} minutes."}
        )
    _check_claims(wish.claims)
    shape: Shape = _KNOWN.get(wish.issuer, wish.shape)  # type: ignore[arg-type]  # one of its values, as checked above
    problem = _unpinned(shape, wish.claims)
    if problem:
        raise Invalid("The rule would let in strangers.", fields={"claims": problem})
    return shape


def check_issuer(issuer: str) -> None:
    """Refuse what is not an issuer's URL in the one form in which it is compared.

    :raises Invalid: naming the field ``issuer``.
    """
    try:
        parts = urlsplit(issuer)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    steps = parts.path.split("/")
    fits = _ISSUER.match(issuer) and host and len(issuer) <= 500 and "." not in steps and ".." not in steps
    if not fits or (parts.scheme == "https" and port == 443):
        raise Invalid(
            "This is not an issuer's URL.",
            fields={"issuer": "Write it as the issuer does: https, the host in small letters, no query, no port 443."},
        )
    if parts.scheme == "http" and host not in {"127.0.0.1", "::1", "localhost"}:
        raise Invalid("The issuer must use https.", fields={"issuer": "Without TLS anybody on the way could sign."})


def _check_claims(claims: Mapping[str, str]) -> None:
    if not 1 <= len(claims) <= MAX_CLAIMS:
        raise Invalid("The rule says nothing of the job.", fields={"claims": f"Name 1 to {MAX_CLAIMS} claims."})
    for name, pattern in claims.items():
        if not _CLAIM.match(name) or name in _OWN:
            raise Invalid("This claim cannot be pinned.", fields={"claims": f"“{name[:64]}” is no claim of a job."})
        if not 1 <= len(pattern) <= MAX_PATTERN or not pattern.isprintable() or pattern != pattern.strip():
            text = f"“{name}”: write 1 to {MAX_PATTERN} printable characters."
            raise Invalid("This is no pattern.", fields={"claims": text})
        if len(re.findall(r"\*+", pattern)) > MAX_STARS or "***" in pattern:
            raise Invalid("Too many stars.", fields={"claims": f"“{name}”: use at most {MAX_STARS} stars."})


def _unpinned(shape: Shape, claims: Mapping[str, str]) -> str:
    """Why the claims do not pin a repository; "" when they do."""
    if shape == "github":
        if _names(claims.get("repository", ""), parts=2) or _number(claims.get("repository_id", "")):
            return ""
        subject = claims.get("sub", "").split(":")
        if len(subject) >= 3 and subject[0] == "repo" and _names(subject[1], parts=2):
            return ""
        return "Pin the repository: repository = owner/name, repository_id, or sub = repo:owner/name:…"
    if shape == "gitlab":
        if _names(claims.get("project_path", ""), parts=2) or _number(claims.get("project_id", "")):
            return ""
        subject = claims.get("sub", "").split(":")
        if len(subject) >= 3 and subject[0] == "project_path" and _names(subject[1], parts=2):
            return ""
        return "Pin the project: project_path = group/name, project_id, or sub = project_path:group/name:…"
    if "*" not in claims.get("sub", "*"):
        return ""
    return "Pin the subject exactly: sub without a star."


def _names(text: str, *, parts: int) -> bool:
    """Whether ``text`` names at least so many steps of a path, none of them with a star."""
    steps = text.split("/")
    return len(steps) >= parts and all(_LITERAL.match(step) for step in steps)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def warnings(shape: Shape, claims: Mapping[str, str]) -> tuple[str, ...]:
    """What a reader of the rule should know that it does not pin."""
    subject = claims.get("sub", "")
    found = []
    if shape == "github":
        if not {"ref", "environment", "job_workflow_ref"} & set(claims) and not re.search(
            r":(ref|environment):[^*]", subject
        ):
            found.append("Every branch and pull request of the repository can act by it. Pin ref or environment.")
        if "repository_id" not in claims:
            found.append("Whoever takes over the repository's name acts by it. repository_id is never given twice.")
    if shape == "gitlab":
        if not {"ref", "environment"} & set(claims) and not re.search(r":ref:[^*]", subject):
            found.append("Every branch of the project can act by it. Pin ref or environment, and ref_protected = true.")
        if "project_id" not in claims:
            found.append("Whoever takes over the project's path acts by it. project_id is never given twice.")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One claim beside its pattern. ``problem`` is empty when it matches."""

    name: str
    pattern: str
    value: str
    problem: str


def compare(patterns: Mapping[str, str], claims: Mapping[str, Any]) -> tuple[Match, ...]:
    """Every pinned claim beside what the token says. Only a text matches: numbers, lists and truth values never do."""
    return tuple(_match(name, pattern, claims.get(name)) for name, pattern in sorted(patterns.items()))


def _match(name: str, pattern: str, value: Any) -> Match:
    if value is None:
        return Match(name=name, pattern=pattern, value="", problem="the token does not say it")
    if not isinstance(value, str):
        kind = {bool: "a truth value", int: "a number", float: "a number", list: "a list"}.get(type(value), "an object")
        return Match(name=name, pattern=pattern, value="", problem=f"the token says it as {kind}, not as a text")
    problem = "" if fits(pattern, value) else "the token says something else"
    return Match(name=name, pattern=pattern, value=value[:MAX_VALUE], problem=problem)


def fits(pattern: str, value: str) -> bool:
    """Whether the value of a claim matches a pattern, from its first to its last character."""
    return len(value) <= MAX_VALUE and _compiled(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*{1,2})", pattern)
    # Neither star crosses a colon, which parts the members of a subject, nor a control character.
    stars = {"*": r"[^:/\x00-\x1f\x7f]*", "**": r"[^:\x00-\x1f\x7f]*"}
    return re.compile("".join(stars.get(part) or re.escape(part) for part in parts))
