"""Whom an entry of the log is told to, in which words and how urgently: one table, looked up by the action. Pure.

What stands not here is told to nobody. Actions of parts that are not installed simply never happen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

Urgency = Literal["urgent", "needs", "info"]
"""``urgent``: at once, whatever somebody chose; ``needs``: the reader has to do something; ``info``: to know."""


class Topic(StrEnum):
    """What people choose by, and what integrations are filtered by. Values are frozen."""

    REVIEW = "review"
    MINE = "mine"
    TALK = "talk"
    RELEASE = "release"
    EMERGENCY = "emergency"
    GUARD = "guard"
    POLICY = "policy"
    ACCESS = "access"
    INTEGRATION = "integration"


TOPIC_WORDS: Final[Mapping[Topic, str]] = MappingProxyType(
    {
        Topic.REVIEW: "Requests that I am to review",
        Topic.MINE: "What becomes of requests that I wrote or edited",
        Topic.TALK: "Comments on requests that I have to do with",
        Topic.RELEASE: "Ramps and schedules of mine",
        Topic.EMERGENCY: "Kill switches, incidents, break-glass and drills",
        Topic.GUARD: "Safeguards that fired, and alerts",
        Topic.POLICY: "Policies that changed",
        Topic.ACCESS: "Access that was asked for, given and reviewed, and what there is to put right",
        Topic.INTEGRATION: "Integrations that no longer work",
    }
)


TOPIC_NAMES: Final[Mapping[Topic, str]] = MappingProxyType(
    {
        Topic.REVIEW: "Reviews asked for",
        Topic.MINE: "Decisions on requests",
        Topic.TALK: "Comments",
        Topic.RELEASE: "Releases",
        Topic.EMERGENCY: "Emergencies",
        Topic.GUARD: "Safeguards and alerts",
        Topic.POLICY: "Policies",
        Topic.ACCESS: "Access",
        Topic.INTEGRATION: "Integrations",
    }
)


class Audience(StrEnum):
    """Who is told. Whoever did it is never told of it."""

    REVIEWERS = "reviewers"
    """Who was asked to review it; where nobody was, who may approve it there."""
    ASKED = "asked"
    """Who was asked by this very act (groups: their members)."""
    TRIAGERS = "triagers"
    """Everybody who judges alerts there."""
    AUTHORS = "authors"
    """Who wrote or edited the request, and who answers for service accounts among them."""
    THREAD = "thread"
    """Who said or decided something about the request."""
    APPROVERS = "approvers"
    """Everybody who may approve in that environment."""
    ADMINISTRATORS = "administrators"
    """Everybody who may change settings of the whole installation."""
    SUBJECT = "subject"
    """Whom the entry names: ``person``, ``subject``, ``owner``, ``reviewer`` of its detail; the owner of its ramp."""
    GRANTERS = "granters"
    """Everybody who gives roles in the organisation."""
    MANAGERS = "managers"
    """Everybody who manages integrations there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One row. ``words`` complete "<who> …"; ``{title}`` is the request's title, ``{place}`` where it is, ``{what}``
    what the entry's own facts say (``integrations.saying``).
    """

    topic: Topic
    to: tuple[Audience, ...]
    words: str
    urgency: Urgency = "info"


def _row(topic: Topic, words: str, *to: Audience, urgency: Urgency = "info") -> Telling:
    return Telling(topic=topic, to=to, words=words, urgency=urgency)


A, T = Audience, Topic
_INVOLVED = (A.AUTHORS, A.THREAD, A.REVIEWERS)
_ALL_AT_ONCE = (A.APPROVERS, A.ADMINISTRATORS, A.REVIEWERS, A.SUBJECT)

TABLE: Final[Mapping[str, Telling]] = MappingProxyType(
    {
        "change_request.submitted": _row(T.REVIEW, "asks for review of “{title}” in {place}", A.REVIEWERS,
                                         urgency="needs"),
        "change_request.reviewers_asked": _row(T.REVIEW, "asks you to review “{title}” in {place}", A.ASKED,
                                               urgency="needs"),
        "change_request.commented": _row(T.TALK, "commented on “{title}” in {place}", A.AUTHORS, A.THREAD),
        "change_request.edited": _row(T.MINE, "edited “{title}” in {place}; approvals given before are void",
                                      A.AUTHORS, A.THREAD),
        "change_request.rebased": _row(T.MINE, "brought “{title}” in {place} up to date; approvals are void",
                                       A.AUTHORS, A.THREAD),
        "change_request.approved": _row(T.MINE, "approved “{title}” in {place}", A.AUTHORS),
        "change_request.changes_requested": _row(T.MINE, "asks for changes of “{title}” in {place}", A.AUTHORS,
                                                 urgency="needs"),
        "change_request.rejected": _row(T.MINE, "rejected “{title}” in {place}", A.AUTHORS),
        "change_request.withdrawn": _row(T.MINE, "withdrew “{title}” in {place}", A.AUTHORS, A.THREAD),
        "change_request.applied": _row(T.MINE, "applied “{title}” in {place}", A.AUTHORS, A.THREAD),
        "change_request.expired": _row(T.MINE, "saw “{title}” in {place} expire", A.AUTHORS, urgency="needs"),
        "change_request.scheduled": _row(T.RELEASE, "scheduled “{title}” in {place}", A.AUTHORS, A.THREAD),
        "change_request.schedule_cancelled": _row(T.RELEASE, "cancelled the schedule of “{title}” in {place}",
                                                  A.AUTHORS, A.THREAD),
        "change_request.schedule_failed": _row(T.RELEASE, "could not apply “{title}” in {place} as scheduled",
                                               A.AUTHORS, urgency="needs"),
        "change_request.approval_voided": _row(T.MINE, "voided an approval of “{title}” in {place}", *_INVOLVED,
                                               urgency="needs"),
        "ramp.started": _row(T.RELEASE, "started the ramp “{title}” in {place}", A.AUTHORS, A.SUBJECT),
        "ramp.paused": _row(T.RELEASE, "paused the ramp “{title}” in {place}", A.AUTHORS, A.SUBJECT, urgency="needs"),
        "ramp.resumed": _row(T.RELEASE, "resumed the ramp “{title}” in {place}", A.AUTHORS, A.SUBJECT),
        "ramp.rolled_back": _row(T.RELEASE, "rolled back the ramp “{title}” in {place}", A.AUTHORS, A.SUBJECT,
                                 urgency="needs"),
        "ramp.finished": _row(T.RELEASE, "finished the ramp “{title}” in {place}", A.AUTHORS, A.SUBJECT),
        "kill_switch.reason_given": _row(T.EMERGENCY, "said why a kill switch was pressed in {place}", A.APPROVERS),
        "incident.declared": _row(T.EMERGENCY, "declared an incident in {place}", A.APPROVERS, A.ADMINISTRATORS,
                                  A.SUBJECT, urgency="urgent"),
        "incident.mitigated": _row(T.EMERGENCY, "mitigated an incident in {place}", A.APPROVERS, A.ADMINISTRATORS),
        "incident.resolved": _row(T.EMERGENCY, "resolved an incident in {place}", A.APPROVERS, A.ADMINISTRATORS,
                                  A.SUBJECT),
        "break_glass.opened": _row(T.EMERGENCY, "broke the glass in {place}", *_ALL_AT_ONCE, urgency="urgent"),
        "break_glass.used": _row(T.EMERGENCY, "applied an emergency change in {place}: it is to be reviewed",
                                 *_ALL_AT_ONCE, urgency="urgent"),
        "break_glass.ended": _row(T.EMERGENCY, "ended the emergency in {place}", *_ALL_AT_ONCE),
        "break_glass.reviewed": _row(T.EMERGENCY, "reviewed the emergency change in {place}", A.ADMINISTRATORS,
                                     A.SUBJECT),
        "break_glass.overdue": _row(T.EMERGENCY, "saw the review of an emergency change in {place} fall overdue",
                                    *_ALL_AT_ONCE, urgency="urgent"),
        "drill.planned": _row(T.EMERGENCY, "planned a drill in {place}", A.APPROVERS, A.SUBJECT),
        "drill.failed": _row(T.EMERGENCY, "saw a drill fail in {place}", A.APPROVERS, A.ADMINISTRATORS, A.SUBJECT,
                             urgency="needs"),
        "kill_trigger.made": _row(T.EMERGENCY, "made a kill trigger in {place}", A.APPROVERS),
        "kill_trigger.revoked": _row(T.EMERGENCY, "revoked a kill trigger in {place}", A.APPROVERS),
        "safeguard.fired": _row(T.GUARD, "acted as a safeguard in {place}: {what}", A.AUTHORS, A.APPROVERS,
                                A.SUBJECT, urgency="urgent"),
        "safeguard.changed": _row(T.GUARD, "changed a safeguard in {place}", A.APPROVERS),
        "safeguard.ended": _row(T.GUARD, "ended a safeguard in {place}: nothing watches in its stead", A.APPROVERS),
        "alert.raised": _row(T.GUARD, "raised an alert in {place}: {what}", A.TRIAGERS, urgency="needs"),
        "alert.overdue": _row(T.GUARD, "saw an alert in {place} fall overdue: {what}", A.TRIAGERS, A.ADMINISTRATORS,
                              urgency="urgent"),
        "access_request.opened": _row(T.ACCESS, "asks for a role", A.GRANTERS, urgency="needs"),
        "access_request.approved": _row(T.ACCESS, "approved a role that was asked for", A.SUBJECT),
        "access_request.refused": _row(T.ACCESS, "refused a role that was asked for", A.SUBJECT),
        "access_request.expired": _row(T.ACCESS, "saw a request for a role expire", A.SUBJECT),
        "access_request.approval_voided": _row(T.ACCESS, "voided an approval of a role that was asked for",
                                               A.SUBJECT, A.GRANTERS),
        "grant.given": _row(T.ACCESS, "gave you a role", A.SUBJECT),
        "grant.ran_out": _row(T.ACCESS, "saw a role of yours run out", A.SUBJECT),
        "duty_exception.proposed": _row(T.ACCESS, "proposes an exception from segregation of duties", A.GRANTERS,
                                        urgency="needs"),
        "emergency.unsealed": _row(T.EMERGENCY, "opened emergency access", A.ADMINISTRATORS, urgency="urgent"),
        "emergency.joined": _row(T.EMERGENCY, "came in by emergency access", A.ADMINISTRATORS, urgency="urgent"),
        "enforcement.preset_chosen": _row(T.POLICY, "chose what new projects ask for", A.ADMINISTRATORS),
        "integration.disabled": _row(T.INTEGRATION, "switched an integration off", A.MANAGERS, urgency="needs"),
    }
)  # fmt: skip

_KILLED: Final = _row(T.EMERGENCY, "pressed a kill switch: “{title}” in {place}", A.APPROVERS, A.AUTHORS,
                      urgency="urgent")  # fmt: skip
#: Everybody else is told of the ``break_glass.used`` that goes with it.
_EMERGENCY: Final = _row(T.EMERGENCY, "applied “{title}” in {place} as an emergency", A.AUTHORS)
_STEP: Final = _row(T.RELEASE, "took a step of an approved plan in {place}: “{title}”", A.AUTHORS, A.SUBJECT)
_POLICY: Final = _row(T.POLICY, "changed the policy of {place}: “{title}”", A.AUTHORS, A.THREAD, A.APPROVERS,
                      A.ADMINISTRATORS)  # fmt: skip
_SETTINGS: Final = ("policy.", "environment.")


def telling(action: str, *, mode: str = "", operations: Collection[str] = ()) -> Telling | None:
    """How an entry is told, or None. ``mode`` is that of its approval, ``operations`` are the types of what it applied.

    A kill switch, an emergency and another policy are entries of one action: what applied them tells them apart.
    """
    if action == "change_request.applied":
        if mode == "standard":
            return _KILLED
        if mode == "break-glass":
            return _EMERGENCY
        if mode == "plan":
            return _STEP
        if any(kind.startswith(_SETTINGS) for kind in operations):
            return _POLICY
    return TABLE.get(action)


__all__ = ["TABLE", "TOPIC_NAMES", "TOPIC_WORDS", "Audience", "Telling", "Topic", "Urgency", "telling"]
