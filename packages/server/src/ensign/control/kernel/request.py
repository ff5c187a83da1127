"""The id of the request being served, so that all entries and log lines of one request share it."""

from __future__ import annotations

from contextvars import ContextVar

current_request_id: ContextVar[str | None] = ContextVar("ensign_request_id", default=None)
