"""What the facts of an entry say, as the end of a notice's sentence. Pure; keys and codes alone, never a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensign.control.monitoring.domain.kinds import KINDS

_DID: Mapping[str, str] = {"off": "was switched off", "pause": "takes no further step of its ramp"}


def what(action: str, facts: Mapping[str, Any]) -> str:
    """The end of its sentence without a full stop; empty for an action that says nothing more."""
    if action.startswith("alert."):
        kind = KINDS.get(str(facts.get("kind", "")))
        return "see what it is" if kind is None else kind.title[0].lower() + kind.title[1:]
    if action == "safeguard.fired":
        flag, act = str(facts.get("flag", "")), str(facts.get("act", ""))
        match facts.get("outcome"):
            case "failed":
                wanted = "switch it off" if act == "off" else "pause its ramp"
                return f"{flag} is as it was, as the safeguard could not {wanted}. Do it by hand"
            case "already":
                return f"{flag} " + ("was off already" if act == "off" else "had no ramp that runs")
            case _:
                return f"{flag} {_DID.get(act, 'was stopped')}"
    return ""
