"""What an entry says besides who and where, in words: why it was refused, how somebody signed in, its facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ensign.control.access.permissions import Permission
from ensign.control.audit import registry
from ensign.control.audit.history import EntryView
from ensign.control.evidence import control_words, told
from ensign.control.incidents.emergency import VERDICTS
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.publishing.reach import duration

#: Code of a refusal -> why, as it follows a colon.
WHY: Mapping[str, str] = MappingProxyType(
    {
        "anonymous": "nobody was signed in",
        "asked": "somebody asked for it",
        "asks_more": "the policy asks for more approval of this step than it asked of the plan",
        "approval_by_token": "an approval is given in person, never by a token",
        "expired": "it waited for longer than the policy allows",
        "frozen": "a freeze window is on",
        "guard": "a guard is bad",
        "left": "whom it acted for has left",
        "missed": "its time was missed by more than an hour",
        "not_approved": "it lacks approvals that the policy asks for",
        "policy_changed": "the policy changed since it was approved",
        "safeguard": "a safeguard paused it",
        "enrolment_required": "they have to enrol a second factor first",
        "network_not_allowed": "it came from a network address that is not allowed",
        "conflicted": "somebody else changed what it is about",
        "denied": "their roles do not include it here",
        "disabled": "the account has been deactivated",
        "last_administrator": "nobody would be left to administer",
        "mfa_required": "it needs a second factor, proved a short while ago",
        "no_grant": "no role of theirs includes it here",
        "not_assignable": "their own role does not let them give this one",
        "not_by_token": "it is done in person, never by a token",
        "not_involved": "they neither wrote, edited nor approved it",
        "other_flags": "their roles there cover other flags only",
        "not_a_person": "only people ask for access for themselves",
        "own_access": "nobody changes their own access",
        "own_change": "they wrote or edited it themselves, or stand behind who did",
        "second_administrator": "another administrator has to do it",
        "toxic_pair": "they would hold what is kept apart",
        "token_ended": "the token has expired or was revoked",
        "token_scope": "the token does not reach that far",
    }
)
#: Way to sign in or to prove a factor -> how, in words.
WAYS: Mapping[str, str] = MappingProxyType(
    {
        "emergency": "by emergency access",
        "enforced": "past an enforced provider",
        "factor": "at the second factor",
        "invitation": "by an invitation",
        "limit": "after too many tries",
        "link": "by a one-time link",
        "oidc": "through an identity provider (OpenID Connect)",
        "provider": "through an identity provider",
        "saml": "through an identity provider (SAML)",
        "network": "from a network address that is not allowed",
        "rules": "by the sign-in rules",
        "token": "with a wrong token",
        "passkey": "with a passkey",
        "password": "with a password",
        "recovery_code": "with a recovery code",
        "setup": "by setting up",
        "totp": "with an authenticator app",
    }
)
#: Member of an entry's detail -> what people call it, where that is not its name.
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "all_projects": "all projects",
        "all_ms": "milliseconds to the last client",
        "streaming_last_ms": "milliseconds to the last on a stream",
        "polling_last_ms": "milliseconds to the last that polls",
        "because": "why",
        "by_request": "by the change request",
        "code": "why",
        "due": "applies at",
        "entries": "entries in the period",
        "mismatches": "differences found",
        "ms": "milliseconds to the last of them",
        "publication": "published by entry",
        "note_sha256": "SHA-256 of the checkpoint",
        "permission": "asked to",
        "root": "root of the log",
        "rulesets": "published",
        "sha256": "SHA-256",
        "size": "entries in the log",
        "state_root": "root of the states",
        "subject": "whose",
        "way": "how",
    }
)
_NAMED = re.compile(r"(?:usr|grp|svc|crq|inc)_\w+")
_EXACT = re.compile(r"[a-z]{3}_[0-9a-z]{20,}|[0-9a-f]{32,}|\S{60,}")
_SHOWN = 3
#: How an id begins -> the room in which what it names has a page.
_ROOMS: Mapping[str, str] = MappingProxyType(
    {"alr_": "alerts", "bgo_": "emergencies", "crq_": "requests", "inc_": "incidents"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One member of an entry's detail. ``exact``: an id or a digest, to be shown letter by letter; ``href``: where what
    it names is shown, or empty.
    """

    label: str
    value: str
    exact: bool
    href: str = ""


def mentioned(entries: Iterable[EntryView]) -> set[str]:
    """Ids of people, groups, service accounts, requests and incidents that the details, and the states of what changed,
    name.
    """
    values = (value for entry in entries for value in _values(entry))
    # Two people, who approve each other, are one subject: their ids are joined.
    parts = (part for value in values if isinstance(value, str) for part in value.split("+"))
    return {part for part in parts if _NAMED.fullmatch(part)}


def _values(entry: EntryView) -> Iterator[Any]:
    yield from entry.detail.values()
    for change in entry.changes:
        for state in (change.before, change.after):
            for value in (state or {}).values():
                yield from value if isinstance(value, list) else (value,)


def asked(permission: str) -> str:
    """What somebody asked to do: ``approve changes``."""
    described = next((known.description for known in Permission if known == permission), None)
    if described is not None:
        return described
    known = registry.actions().get(permission)
    return permission if known is None else f"do what the log calls “{known.title}”"


def why(code: str) -> str:
    """Why it was refused; a code that is not known here is said as it stands."""
    return WHY.get(code, code.replace("_", " "))


def facts(entry: EntryView, names: Mapping[str, str]) -> list[Fact]:
    """The detail of an entry, member by member."""
    return [
        Fact(
            label=_label(name),
            value=_value(name, value, names, entry.action),
            exact=isinstance(value, str)
            and not all(part in names for part in value.split("+"))
            and bool(_EXACT.fullmatch(value)),
            href=_href(value),
        )
        for name, value in entry.detail.items()
    ]


def _href(value: Any) -> str:
    room = _ROOMS.get(value[:4]) if isinstance(value, str) else None
    return f"/{room}/{value}" if room and _EXACT.fullmatch(value) else ""


def _label(name: str) -> str:
    text = LABELS.get(name, name.replace("_", " "))
    return text[:1].upper() + text[1:]


def _value(name: str, value: Any, names: Mapping[str, str], action: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(_value(name, item, names) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value('', item, names)}" for key, item in value.items()) or "none"
    if isinstance(value, int):
        if name == "evidence":  # numbers of entries, as the log's addresses have them
            return str(value)
        return f"{value:,} %" if name == "percent" else f"{value:,}"
    text = str(value)
    if name == "because":
        return control_words.REVOKED.get(text, text)
    if name == "verdict":
        return VERDICTS.get(text, text)
    if name == "kind" and text in KINDS:
        return KINDS[text].title
    if name == "permission":
        return f"{asked(text)} ({text})"
    if name == "code":
        return control_words.REFUSED.get(text, why(text)) if action == "kill_trigger.refused" else why(text)
    if name == "way":
        return WAYS.get(text, text)
    if name == "limits":
        return text.replace("_", " ")
    if all(part in names for part in text.split("+")):
        return " and ".join(names[part] for part in text.split("+"))
    return control_words.moment(text)


def line(entry: EntryView, names: Mapping[str, str]) -> str:
    """What follows the title of an entry in a sentence, with what joins them; empty if there is nothing to say.

    ``applied the change`` + `` guest-checkout: rollout 30 % → 45 %``, ``signed in`` + `` with a passkey``.
    """
    special = _LINES.get(entry.action)
    if special is not None:
        try:
            return special(entry.detail, names)
        except (KeyError, TypeError, ValueError):
            # Written by a version with other members: the entry's page shows them one by one.
            return ""
    if "way" in entry.detail:
        way = WAYS.get(str(entry.detail["way"]), "")
        return f" {way}" if way else ""
    said = [text for text in map(told.brief, entry.changes) if text]
    more = [f"and {len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
    return f" {'; '.join([*said[:_SHOWN], *more])}" if said else ""


_Detail = Mapping[str, Any]
_Names = Mapping[str, str]


def _grant(detail: _Detail, names: _Names) -> str:
    return f": {detail['role']} of {names.get(detail['subject'], detail['subject'])}"


def _asked_for(detail: _Detail, names: _Names) -> str:
    return f": {', '.join(detail['roles'])} for {names.get(detail['subject'], detail['subject'])}"


def _excepted(detail: _Detail, names: _Names) -> str:
    return f": {', '.join(detail['pairs'])} for {names.get(detail['subject'], detail['subject'])}"


def _duties(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (one shape for all lines)
    return f": {detail['conflicts']:,} not covered, {detail['excepted']:,} excepted"


def _member(detail: _Detail, names: _Names) -> str:
    if "people" in detail:
        return f": {len(detail['people'])} people in {names.get(detail['group'], detail['group'])}"
    return f": {names.get(detail['person'], detail['person'])} in {names.get(detail['group'], detail['group'])}"


def _refusal(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (one shape for all lines)
    return f" to {asked(detail['permission'])}: {why(detail['code'])}"


def _anchored(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": {detail['size']:,} entries, as a {detail['kind']}"


def _checked(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    found = detail["mismatches"]
    return f": {detail['count']:,} rows, {'no' if not found else f'{found:,}'} difference{'' if found == 1 else 's'}"


def _counted(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": {detail['count']:,} in a minute or more"


def _reached(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    running, instances, sent = detail["running"], detail["instances"], detail.get("sent", 0)
    after = f" after {duration(detail['ms'])}" if "ms" in detail and running + sent == instances else ""
    also = f"; {sent:,} sent" if sent else ""
    plural = "" if instances == 1 else "s"
    return f": {detail['number']:,} is live on {running:,} of {instances:,} instance{plural}{after}{also}"


_LINES: Mapping[str, Callable[[_Detail, _Names], str]] = MappingProxyType(
    {
        **control_words.LINES,
        "access.denied": _refusal,
        "access_request.opened": _asked_for,
        "access_request.approved": _asked_for,
        "access_request.refused": _asked_for,
        "access_request.withdrawn": _asked_for,
        "access_request.expired": _asked_for,
        "grant.reviewed": _asked_for,
        "duty_exception.proposed": _excepted,
        "duty_exception.approved": _excepted,
        "duty_exception.refused": _excepted,
        "duty_exception.ended": _excepted,
        "duties.checked": _duties,
        "delivery.reached": _reached,
        "drift.checked": _checked,
        "grant.given": _grant,
        "grant.ended": _grant,
        "grant.ran_out": _grant,
        "group.member_added": _member,
        "group.member_removed": _member,
        "ledger.anchored": _anchored,
        "session.refusals_summarised": _counted,
    }
)
