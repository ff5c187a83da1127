"""The form of a log entry (docs/reference/ledger-format.md, section 3): checked on writing and on verifying.

Keys that are not named here are allowed, so that the format can grow; what is named here must be right.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from ensign_ledger.canonical import MAX_ENTRY, MAX_INT, decode, encode

VERSION = 1
ACTOR_KINDS = frozenset({"person", "service", "system", "anonymous"})
MODES = frozenset({"request", "direct", "standard", "plan", "break-glass"})
"""How a change came to apply: by request, under a policy of zero approvals, pre-approved, emergency."""

_LEAVES = frozenset({str, int, bool, type(None)})
_HEX = re.compile(r"[0-9a-f]{64}").fullmatch
_ACTION = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+").fullmatch
_TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z", re.ASCII).fullmatch


class EntryError(ValueError):
    """An entry is not of the form; ``path`` names the member."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}")
        self.message = message
        self.path = path

    def under(self, parent: str) -> "EntryError":
        """The same of a member within ``parent``: paths are put together only when something is wrong."""
        return EntryError(self.message, path=f"{parent}.{self.path}" if self.path != "$" else parent)


def timestamp(moment: datetime, /) -> str:
    """Return an aware moment as ``2026-11-22T19:31:05.123456Z``: UTC, always six digits of a second."""
    if moment.tzinfo is None:
        raise EntryError("a moment without a time zone", path="ts")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_time(text: Any, *, path: str) -> str:
    """Check an RFC 3339 time in UTC and return it with six digits of a second, fit to be compared as text.

    Raises EntryError for anything else: another offset, a lower-case letter, a leap second, 31 February.
    """
    if not isinstance(text, str) or _TIME(text) is None:
        raise EntryError("not a time like 2026-11-22T19:31:05.123456Z", path=path)
    if not _is_date(text[:10]):
        raise EntryError("no such date", path=path)
    return text if len(text) == 27 else text[:19] + "." + text[20:-1].ljust(6, "0") + "Z"


@lru_cache(maxsize=4096)
def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def encode_entry(entry: Mapping[str, Any], /) -> bytes:
    """Check an entry and return the exact bytes to store; raises EntryError or CanonicalError."""
    data = encode(entry)
    if len(data) > MAX_ENTRY:
        raise EntryError(f"{len(data)} bytes, at most {MAX_ENTRY} fit: put the large part in by digest", path="$")
    check_entry(entry)
    return data


def decode_entry(data: bytes, /) -> dict[str, Any]:
    """Return the entry whose exact bytes are ``data``; raises EntryError or CanonicalError."""
    if len(data) > MAX_ENTRY:
        raise EntryError(f"more than {MAX_ENTRY} bytes", path="$")
    value = decode(data)
    check_entry(value)
    entry: dict[str, Any] = value
    return entry


def check_entry(entry: Any, /) -> None:
    """Raise EntryError, naming the member, unless ``entry`` has the form of section 3."""
    if not isinstance(entry, dict):
        raise EntryError("an entry is an object", path="$")
    if type(entry.get("v")) is not int or entry["v"] != VERSION:
        raise EntryError(f"unknown version of the entry format; this program knows {VERSION}", path="v")
    _text(entry, "log", "")
    _count(entry, "seq", "", least=0)
    parse_time(entry.get("ts"), path="ts")
    action = entry.get("action")
    if not isinstance(action, str) or _ACTION(action) is None:
        raise EntryError("not an action like flag.created", path="action")
    _check_actor(entry.get("actor"))
    touches = entry.get("touch", [])
    if not isinstance(touches, (list, tuple)):
        raise EntryError("not a list", path="touch")
    for i, touch in enumerate(touches):
        try:
            _check_touch(touch)
        except EntryError as error:
            raise error.under(f"touch[{i}]") from None
    _check_optional(entry)


def is_digest(value: Any, /) -> bool:
    """Tell whether ``value`` is a SHA-256 digest: 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and _HEX(value) is not None


def commitments(entry: Mapping[str, Any], /) -> Iterator[str]:
    """Yield every digest by which an entry commits to a document (section 7).

    These are ``before`` and ``after`` of each touch and each ``{"commit": "<digest>"}`` object anywhere.
    """
    for touch in entry.get("touch", ()):
        if touch["before"] is not None:
            yield touch["before"]
        yield touch["after"]
    waiting: list[Any] = [entry]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "commit" in value and is_digest(value["commit"]):
                yield value["commit"]
            waiting += [item for item in value.values() if type(item) not in _LEAVES]
        elif isinstance(value, (list, tuple)):
            waiting += value


def _check_actor(actor: Any) -> None:
    if not isinstance(actor, dict):
        raise EntryError("not an object", path="actor")
    if not isinstance(actor.get("kind"), str) or actor["kind"] not in ACTOR_KINDS:
        raise EntryError(f"not one of {', '.join(sorted(ACTOR_KINDS))}", path="actor.kind")
    if actor["kind"] != "anonymous" or actor.get("id") is not None:
        _text(actor, "id", "actor.")
    _text(actor, "via", "actor.")
    if "token" in actor:
        _text(actor, "token", "actor.")


def _check_touch(touch: Any) -> None:
    if not isinstance(touch, dict):
        raise EntryError("not an object", path="$")
    _text(touch, "object", "")
    _count(touch, "version", "", least=1)
    if not is_digest(touch.get("after")):
        raise EntryError("not a digest", path="after")
    before = touch.get("before", "")
    if touch["version"] == 1 and before is not None:
        raise EntryError("the first version has null before it", path="before")
    if touch["version"] > 1 and not is_digest(before):
        raise EntryError("not a digest", path="before")


def _check_optional(entry: Mapping[str, Any]) -> None:
    for name in ("where", "reason", "detail"):
        if name in entry and not isinstance(entry[name], dict):
            raise EntryError("not an object", path=name)
    for name in ("project", "environment"):
        if name in entry.get("where", {}):
            _text(entry["where"], name, "where.")
    if "reason" in entry and not is_digest(entry["reason"].get("commit")):
        raise EntryError("not a digest", path="reason.commit")
    redacts = entry.get("redacts", [])
    if not isinstance(redacts, (list, tuple)) or not all(is_digest(item) for item in redacts):
        raise EntryError("not a list of digests", path="redacts")
    if "request_id" in entry:
        _text(entry, "request_id", "")
    if "approval" in entry:
        _check_approval(entry["approval"])


def _check_approval(approval: Any) -> None:
    if not isinstance(approval, dict):
        raise EntryError("not an object", path="approval")
    if not isinstance(approval.get("mode"), str) or approval["mode"] not in MODES:
        raise EntryError(f"not one of {', '.join(sorted(MODES))}", path="approval.mode")
    _count(approval, "required", "approval.", least=0)
    if "signed" in approval:
        _count(approval, "signed", "approval.", least=0)
    _text(approval, "author", "approval.")
    _text(approval, "policy", "approval.")
    for name in ("protected", "compensated"):
        if type(approval.get(name, False)) is not bool:
            raise EntryError("neither true nor false", path=f"approval.{name}")
    if "plan" in approval or approval["mode"] == "plan":
        _check_plan(approval.get("plan"))
    if approval.get("request") is not None or approval["mode"] == "request":
        _text(approval, "request", "approval.")
    if not is_digest(approval.get("digest")):
        raise EntryError("not a digest", path="approval.digest")
    contributors = approval.get("contributors")
    if not isinstance(contributors, (list, tuple)) or not all(isinstance(c, str) and c for c in contributors):
        raise EntryError("not a list of ids", path="approval.contributors")
    approvers = approval.get("approvers")
    if not isinstance(approvers, (list, tuple)):
        raise EntryError("not a list", path="approval.approvers")
    for i, approver in enumerate(approvers):
        try:
            _check_approver(approver)
        except EntryError as error:
            raise error.under(f"approval.approvers[{i}]") from None


def _check_plan(plan: Any) -> None:
    if not isinstance(plan, dict):
        raise EntryError("not an object", path="approval.plan")
    for name in ("request", "ramp", "strategy"):
        _text(plan, name, "approval.plan.")
    if not is_digest(plan.get("digest")):
        raise EntryError("not a digest", path="approval.plan.digest")
    _count(plan, "percent", "approval.plan.", least=0)
    if plan.get("step") is not None:
        _count(plan, "step", "approval.plan.", least=1)


def _check_approver(approver: Any) -> None:
    if not isinstance(approver, dict):
        raise EntryError("not an object", path="$")
    _text(approver, "id", "")
    parse_time(approver.get("at"), path="at")
    if "digest" in approver and not is_digest(approver["digest"]):
        raise EntryError("not a digest", path="digest")


def _text(value: Mapping[str, Any], name: str, prefix: str) -> None:
    item = value.get(name)
    if not isinstance(item, str) or not item:
        raise EntryError("not a text, or empty", path=f"{prefix}{name}")


def _count(value: Mapping[str, Any], name: str, prefix: str, *, least: int) -> None:
    item = value.get(name)
    if type(item) is not int or not least <= item <= MAX_INT:
        raise EntryError(f"not a whole number from {least}", path=f"{prefix}{name}")
