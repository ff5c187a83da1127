"""Structured logs without secrets or personal data.

Every record, of Ensign and of its libraries, passes :func:`redact`: names of fields that hold secrets lose their value,
and whatever in a text looks like a token, a bearer header, a cookie, a secret link or an e-mail address is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from ensign.control.kernel.request import current_request_id

HIDDEN = "[redacted]"

_SECRET_NAMES = re.compile(
    r"(?i)(pass(word|phrase|wd)?|secret|token|authorization|cookie|session(_?id|_?key)?|csrf|api_?key|private_?key|e_?mail"
    r"|totp|recovery_?codes?|otp|credentials?|database_url|dsn)"
)
#: A name that ends so says something *about* the secret: ``token_id`` is pseudonymous and stands in the ledger, too.
_HARMLESS_NAMES = re.compile(r"(?i)(_id|_count|_type|_kind|_at|_ms)\Z")

_SECRET_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic|token)\s+[\w.~+/=:*-]{8,}"), r"\1 " + HIDDEN),
    (re.compile(r"\bensign_[a-z]{2,10}_[\w-]{6,}"), HIDDEN),
    # Client tokens of the Unleash form: project:environment.secret, *:environment.secret, []:environment.secret
    (re.compile(r"(?:\[\]|\*|[\w.~-]{1,100}):[\w~-]{1,100}\.[0-9A-Za-z_-]{24,}"), HIDDEN),
    (re.compile(r"(?i)(/(?:setup|invite|reset|confirm)[\w-]*/)[^\s/?#\"']{8,}"), r"\1" + HIDDEN),
    (
        re.compile(
            r"(?i)((?:password|secret|token|sessionid|csrftoken|api_?key)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&}]+"
        ),
        r"\1" + HIDDEN,
    ),
    (re.compile(r"(?i)(postgres(?:ql)?://[^:/\s@]*:)[^@\s]+@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"[\w.+'-]{1,64}@[\w-]+(?:\.[\w-]+)+"), HIDDEN),
    (re.compile(r"\$argon2id?\$[^\s\"']+"), HIDDEN),
)  # fmt: skip


def redact_text(text: str) -> str:
    """``text`` without anything that looks like a secret or an e-mail address."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def _redact(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAMES.search(name) and not _HARMLESS_NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {redact_text(str(key)): _redact(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(name, member) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value))


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor; runs last before rendering, so nothing that an earlier one added escapes it."""
    return {name: _redact(name, value) for name, value in event.items()}


def _with_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = current_request_id.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def _without_internals(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop the stdlib record (and request objects that Django attaches to it)."""
    for name in ("_record", "_from_structlog", "request"):
        event.pop(name, None)
    return event


_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    _with_request_id,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def formatter(*, console: bool) -> structlog.stdlib.ProcessorFormatter:
    """The formatter of every handler: one JSON object a line, or readable lines for a terminal."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED[:1], structlog.stdlib.ExtraAdder(), *_SHARED[1:]],
        processors=[_without_internals, redact, renderer],
    )


def configuration(*, level: str, console: bool) -> dict[str, Any]:
    """For ``logging.config.dictConfig``: everything to standard error, through :func:`redact`."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ensign": {"()": "ensign.logs.formatter", "console": console}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ensign"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True, "level": level},
            # Django writes the full path of a failed request here; our own request line names the route instead.
            "django.request": {"handlers": [], "propagate": True, "level": "ERROR"},
            "django.server": {"handlers": [], "propagate": True},
            # At DEBUG these two write what a page shows and what a query is given: names, whatever the level asked for.
            "django.template": {"handlers": [], "propagate": True, "level": "INFO"},
            "django.db.backends": {"handlers": [], "propagate": True, "level": "INFO"},
            # It notes every new passkey; so does our own log, with who enrolled it.
            "fido2": {"handlers": [], "propagate": True, "level": "WARNING"},
            "uvicorn": {"handlers": [], "propagate": True, "level": "WARNING"},
            "uvicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        },
    }
