"""Reading settings from environment variables: strictly, so that a typing error is a message and not a surprise."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from ensign_ledger.note import NoteError, parse_vkey


def flag(name: str, *, default: bool = False) -> bool:
    """A switch: 1, true or yes; 0, false or no.

    :raises ValueError: for anything else.
    """
    value = os.environ.get(name, "").strip().lower()
    if value not in {"", "0", "1", "true", "false", "yes", "no"}:
        raise ValueError(f"{name} must be 1 or 0, not {value!r}")
    return value in {"1", "true", "yes"} if value else default


def number(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``.

    :raises ValueError: for anything else.
    """
    value = os.environ.get(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    return int(value)


def public_keys(name: str) -> tuple[str, ...]:
    """Public keys of a log (``name+id+base64``), separated by spaces or commas.

    :raises ValueError: for what is no such key.
    """
    keys = tuple(os.environ.get(name, "").replace(",", " ").split())
    for key in keys:
        try:
            parse_vkey(key)
        except NoteError as error:
            raise ValueError(f"{name} holds {key!r}, which is no public key of a log: {error}") from None
    return keys


def database(url: str) -> dict[str, object]:
    """A ``postgres://user:password@host:port/name?host=/socket`` URL as Django wants it.

    :raises ValueError: when it is of another scheme.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError("DATABASE_URL must start with postgres:// (leave it out for the embedded SQLite)")
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(options.pop("host", parts.hostname or "")),
        "PORT": str(parts.port or options.pop("port", "")),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def nats() -> dict[str, str]:
    """Where NATS is, as whom to come, and which bucket is meant; empty when it is not used.

    :raises ValueError: when there are settings for it, but no address.
    """
    names = {
        "url": "ENSIGN_NATS", "bucket": "ENSIGN_NATS_BUCKET", "credentials": "ENSIGN_NATS_CREDENTIALS",
        "environments": "ENSIGN_NATS_ENVIRONMENTS",
    }  # fmt: skip
    found = {part: os.environ[name].strip() for part, name in names.items() if os.environ.get(name, "").strip()}
    if found and "url" not in found:
        raise ValueError("ENSIGN_NATS must be set where other settings of NATS are")
    return found


def mail() -> tuple[str, int, str, str, str, str]:
    """The server for e-mails: host, port, ``starttls|tls|none``, user, password, sender. No host: there is none.

    :raises ValueError: when there are settings for it, but no host or sender; or a password would go unencrypted.
    """
    names = ("HOST", "PORT", "TLS", "USER", "PASSWORD", "FROM")
    given = {name: os.environ.get(f"ENSIGN_SMTP_{name}", "").strip() for name in names}
    if not given["HOST"]:
        if any(given.values()):
            raise ValueError("ENSIGN_SMTP_HOST must be set where other settings of SMTP are")
        return "", 0, "none", "", "", ""
    tls = given["TLS"].lower() or "starttls"
    if tls not in {"starttls", "tls", "none"}:
        raise ValueError(f"ENSIGN_SMTP_TLS must be starttls, tls or none, not {tls!r}")
    if tls == "none" and given["PASSWORD"]:
        raise ValueError("ENSIGN_SMTP_TLS is none: the password would be sent unencrypted")
    if "@" not in given["FROM"] or any(mark in given["FROM"] for mark in "\r\n"):
        raise ValueError("ENSIGN_SMTP_FROM must be the address that e-mails come from")
    port = number("ENSIGN_SMTP_PORT", 465 if tls == "tls" else 587, low=1, high=65_535)
    return given["HOST"], port, tls, given["USER"], given["PASSWORD"], given["FROM"]
