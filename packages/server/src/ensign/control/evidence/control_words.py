"""What entries of ramps, times, approval keys, emergencies, drills, alerts and triggers say on one line, for
:mod:`words`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ensign.control.incidents.emergency import VERDICTS
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.publishing.reach import duration

_Detail = Mapping[str, Any]
_Names = Mapping[str, str]
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?Z")

#: Why an approval key was revoked -> in words, as it follows a colon.
REVOKED: Mapping[str, str] = MappingProxyType(
    {
        "administrator": "an administrator revoked it",
        "factor": "the passkey was removed",
        "left": "its owner left",
        "owner": "its owner revoked it",
    }
)

#: Why a call to an address that switches a flag off was not acted on -> in words, as it follows a colon.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "bad_signature": "its signature was wrong",
        "bad_token": "its secret was wrong",
        "ended": "the address has expired or was revoked",
        "no_token": "it had no secret",
        "stale": "its time was more than five minutes off",
        "unknown": "there is no such address",
        "unsigned": "it was not signed",
    }
)


def moment(text: str) -> str:
    """A time as people read it, where ``text`` is one in its stored form; any other text as it is."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]}{found[3] or ''} UTC" if found else text


def moments(text: str) -> str:
    """``text`` with every time in it as people read it."""
    return _MOMENT.sub(lambda found: moment(found[0]), text)


def _minute(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else text


def _share(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (one shape for all lines)
    return f" at {detail['percent']} %"


def _step(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": step {detail['step'] + 1} of {detail['steps']}, {detail['percent']} % of users"


def _back(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f" to {detail['percent']} %"


def _over(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f" at {detail['percent']} %, {'its last step' if detail['complete'] else 'before its last step'}"


def _due(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": {_minute(detail['due'])}"


def _revoked(detail: _Detail, names: _Names) -> str:
    return f" of {names.get(detail['owner'], detail['owner'])}: {REVOKED[detail['because']]}"


def _opened(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    flags = detail["flags"]
    what = "every flag and segment" if not flags else "one flag" if flags == 1 else f"{flags:,} flags"
    return f" to {what}, until {_minute(detail['expires_at'])}"


def _whose(detail: _Detail, names: _Names) -> str:
    return f": that of {names.get(detail['person'], detail['person'])}"


def _reviewed(detail: _Detail, names: _Names) -> str:
    verdict = VERDICTS[detail["verdict"]]
    return f"{_whose(detail, names)}. {verdict}"


def _overdue(detail: _Detail, names: _Names) -> str:
    changes = detail["changes"]
    return f"{_whose(detail, names)}, {changes:,} change{'' if changes == 1 else 's'} without approval"


def _drilled(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    lasts = [
        f", {duration(detail[name])} to the last {whom}"
        for name, whom in (("streaming_last_ms", "client on a stream"), ("polling_last_ms", "client that polls"))
        if name in detail
    ]
    return f": {str(detail['result']).replace('_', ' ')}{''.join(lasts)}"


def _alert(detail: _Detail, names: _Names) -> str:
    people = [names[one] for one in detail.get("subject", "").split("+") if one in names]
    whose = " and ".join(people)
    return f": {KINDS[detail['kind']].title} ({', '.join(one for one in (detail['severity'], whose) if one)})"


def _judged(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    late = ", after its deadline" if detail["late"] else ""
    return f": {KINDS[detail['kind']].title}. It was {detail['verdict']}{late}"


def _kind(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": {KINDS[detail['kind']].title}"


def _watched(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    less = ", ".join(str(one).replace("_", " ") for one in detail["dulled"])
    changed = ", ".join(str(one).replace("_", " ") for one in detail["changed"])
    return f": {changed}{f'; less is noticed by {less}' if less else ''}"


def _refused(detail: _Detail, names: _Names) -> str:  # noqa: ARG001 (as above)
    return f": {REFUSED[detail['code']]}"


def _request(detail: _Detail, names: _Names) -> str:
    """Which request it was, by its title, where that is known."""
    title = names.get(detail["request"], "")
    return f" “{title}”" if title else ""


def _used(detail: _Detail, names: _Names) -> str:
    return f":{_request(detail, names)}" if detail["request"] in names else ""


LINES: Mapping[str, Callable[[_Detail, _Names], str]] = MappingProxyType(
    {
        "alert.acknowledged": _kind,
        "alert.overdue": _kind,
        "alert.raised": _alert,
        "alert.triaged": _judged,
        "approval_key.revoked": _revoked,
        "break_glass.opened": _opened,
        "break_glass.ended": _whose,
        "break_glass.overdue": _overdue,
        "break_glass.reviewed": _reviewed,
        "break_glass.used": _used,
        "change_request.commented": _request,
        "change_request.schedule_failed": _due,
        "change_request.scheduled": _due,
        "drill.run": _drilled,
        "kill_trigger.refused": _refused,
        "monitoring_rules.changed": _watched,
        "ramp.finished": _over,
        "ramp.paused": _share,
        "ramp.resumed": _share,
        "ramp.rolled_back": _back,
        "ramp.started": _step,
        "ramp.stepped": _step,
    }
)
