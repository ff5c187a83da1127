"""The base of what the API reads."""

from __future__ import annotations

from ninja import Schema
from pydantic import ConfigDict


class Input(Schema):
    """A request body. A field that it does not know is refused by name, never dropped silently.

    Subclass this for bodies and their parts (a test walks all endpoints and refuses a body that lets unknown
    fields pass), and ``ninja.Schema`` for answers.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)
