"""What the log holds about people's coming and about their roles within a period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ensign.control.access import actions as access
from ensign.control.audit.models import Entry
from ensign.control.identity import actions as identity
from ensign.control.identity.sso import actions as sso
from ensign.control.kernel import clock
from ensign.control.scim import actions
from ensign.control.scim.leaver_log import bodies

#: How somebody came: the action -> in a word.
WAYS: Final[Mapping[str, str]] = {
    identity.PERSON_SET_UP.code: "set-up",
    identity.PERSON_INVITED.code: "invitation",
    sso.PERSON_PROVISIONED.code: "identity-provider",
    actions.USER_ADDED.code: "directory",
    identity.PERSON_REACTIVATED.code: "reactivation",
}
_ENDS: Final = (access.GRANT_ENDED.code, access.GRANT_RAN_OUT.code)
_DIRECT: Final = (identity.PERSON_SET_UP.code, access.GRANT_GIVEN.code)


@dataclass(frozen=True, slots=True)
class Came:
    """That a person was made, or let in again: when, by whom, in which way, by which entry."""

    person: str
    at: datetime
    by: str
    way: str
    again: bool
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An entry that gave a role or let somebody join ``group``: who asked, since when, and who approved."""

    at: datetime
    seq: int
    requested_by: str
    requested_at: datetime
    approved_by: tuple[str, ...]
    group: str | None


class MovementLog:
    """What happened in ``[since, until)``; sign-ins and what was given are known beyond it where a row needs them."""

    def __init__(self, *, since: datetime, until: datetime) -> None:
        self._until = clock.text(until)
        self.came = [
            Came(person, at, body["actor"]["id"], WAYS[body["action"]], _again(body), body["seq"])
            for body in bodies(*WAYS)
            if since <= (at := clock.parse(body["ts"])) < until and body.get("detail", {}).get("active", True)
            for person in _ids(body, "person")
        ]
        self._asked: dict[str, datetime] = {}
        self._grants: dict[str, Given] = {}
        self._given: dict[str, list[Given]] = defaultdict(list)
        self._joined: dict[tuple[str, str], list[Given]] = defaultdict(list)
        self._left: dict[tuple[str, str], datetime] = {}
        self._ended: dict[str, datetime] = {}
        self._archived: dict[str, datetime] = {}
        for body in self._bodies():
            self._note(body, clock.parse(body["ts"]))

    def _bodies(self) -> Iterable[dict[str, Any]]:
        codes = (
            *_DIRECT,
            *_ENDS,
            access.ACCESS_REQUESTED.code,
            identity.MEMBER_ADDED.code,
            identity.MEMBER_REMOVED.code,
            identity.GROUP_ARCHIVED.code,
            identity.PERSON_REACTIVATED.code,
        )
        return (body for body in bodies(*codes) if body["ts"] < self._until)

    def _note(self, body: Mapping[str, Any], at: datetime) -> None:
        action, detail = body["action"], body.get("detail", {})
        if action == access.ACCESS_REQUESTED.code:
            self._asked.update(dict.fromkeys(_ids(body, "access_request"), at))
        elif action in _DIRECT:
            given = self._entry(body, at)
            self._grants.update(dict.fromkeys(_ids(body, "grant"), given))
            for subject in [detail["subject"]] if "subject" in detail else _ids(body, "person"):
                self._given[subject].append(given)
        elif action == identity.MEMBER_ADDED.code:
            for person in detail.get("people") or [detail["person"]]:
                self._joined[detail["group"], person].append(self._entry(body, at))
                self._given[person].append(self._entry(body, at))
        elif action == identity.MEMBER_REMOVED.code:
            for person in detail.get("people") or [detail["person"]]:
                self._left[detail["group"], person] = at
        elif action == identity.GROUP_ARCHIVED.code:
            self._archived.update(dict.fromkeys(_ids(body, "group"), at))
            self._ended.update(dict.fromkeys(_ids(body, "grant"), at))
        else:
            self._ended.update(dict.fromkeys(_ids(body, "grant"), at))

    def _entry(self, body: Mapping[str, Any], at: datetime) -> Given:
        detail, by = body.get("detail", {}), body["actor"]["id"]
        return Given(
            at=at,
            seq=body["seq"],
            requested_by=str(detail.get("requested_by", by)),
            requested_at=self._asked.get(str(detail.get("request", "")), at),
            approved_by=tuple(detail.get("approved_by", (by,))),
            group=detail.get("group") if body["action"] == identity.MEMBER_ADDED.code else None,
        )

    def first_given(self, person: str, after: datetime) -> Given | None:
        """The first role of theirs since then, or the first joining of a group that was ever given one."""
        given = (one for one in self._given.get(person, ()) if one.at >= after)
        return next((one for one in given if one.group is None or one.group in self._given), None)

    def first_use(self, person: str, after: datetime) -> datetime | None:
        """Their first sign-in since then, also after the period."""
        rows = Entry.objects.filter(actor=person, action=identity.SIGNED_IN.code, ts__gte=clock.text(after))
        ts = rows.order_by("seq").values_list("ts", flat=True).first()
        return None if ts is None else clock.parse(ts)

    def granted(self, grant: str) -> Given | None:
        """The entry that gave a grant."""
        return self._grants.get(grant)

    def joined(self, group: str, person: str) -> Given | None:
        """The last entry by which they joined a group."""
        found = self._joined.get((group, person))
        return found[-1] if found else None

    def left(self, group: str, person: str) -> datetime | None:
        """When they last left a group, if they did not join it again."""
        when, again = self._left.get((group, person)), self.joined(group, person)
        return None if when is None or (again is not None and again.at > when) else when

    def archived(self, group: str) -> datetime | None:
        """When a group was archived."""
        return self._archived.get(group)

    def grant_ended(self, grant: str) -> datetime | None:
        """When a grant was ended, or ran out, by an entry."""
        return self._ended.get(grant)


def _again(body: Mapping[str, Any]) -> bool:
    return bool(body["action"] == identity.PERSON_REACTIVATED.code)


def _ids(body: Mapping[str, Any], kind: str) -> list[str]:
    parts = [touch["object"].partition(":") for touch in body["touch"]]
    return [id for found, _, id in parts if found == kind]
