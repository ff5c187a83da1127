"""How far a change has come, for the commands of flags and changes."""

from __future__ import annotations

from typing import Any


def lines(changes: list[dict[str, Any]]) -> list[str]:
    """One line for each environment, and one for each application that lacks it somewhere."""
    found = []
    for one in changes:
        found.append(f"{one['environment']}: {one['sentence']}")
        found += [
            f"  {group['app']} ({group['sdk']}, {group['mode']}): {group['running']} of {group['instances']}"
            + (f", {group['sent']} sent" if group["sent"] else "")
            for group in one["groups"]
            if group["running"] < group["instances"]
        ]
    return found
