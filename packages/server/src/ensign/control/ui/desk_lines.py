"""A line of the home page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.ui import looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that wants attention. ``act`` is what to do about it, as the link's words."""

    title: str
    href: str
    act: str
    icon: str
    tone: looks.Tone
    at: datetime
    detail: str = ""
    project: str = ""
    environment: looks.Environment | None = None
    person: looks.Person | None = None
