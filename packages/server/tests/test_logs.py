"""Claims: neither a secret nor an e-mail address reaches a log line, by whatever way it comes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from ensign import logs
from hypothesis import given
from hypothesis import strategies as st

PAT = "ensign_pat_" + "Ab1_-" * 8 + "xyz"
CLIENT = "shop:production.7f3a0c5be1d24f6a9b8c7d6e5f4a3b2c1d0e9f8a"
MAIL = "anna.berg+x@example.co.uk"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The stream of a handler with Ensign's formatter on a logger of its own."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter(console=False))
    logger = logging.getLogger("ensign.test")
    logger.setLevel("DEBUG")
    logger.propagate = False
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    logger.propagate = True


def line(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {PAT}",
        f"authorization: {PAT}",
        f"token {CLIENT} was refused",
        f"*:development.{'a' * 40}",
        f"GET /setup/{'Q' * 43} failed",
        f"POST /reset/{'Q' * 43}?next=/",
        f"{MAIL} could not sign in",
        "password=hunter2hunter2&next=/",
        '{"password": "hunter2hunter2"}',
        "postgres://ensign:hunter2hunter2@db.example/ensign",
        "hash $argon2id$v=19$m=102400,t=2,p=8$QQQQQQQQQQ$QQQQQQQQQQ",
        "Cookie sessionid=QQQQQQQQQQQQ; csrftoken=QQQQQQQQQ",
    ],
)
def test_what_looks_like_a_secret_is_replaced_in_text(text: str) -> None:
    clean = logs.redact_text(text)
    assert logs.HIDDEN in clean
    for secret in (PAT, CLIENT, MAIL, "hunter2", "QQQQQQQQ", "a" * 24):
        assert secret not in clean


@pytest.mark.parametrize("text", ["shop/production went from 10 % to 50 %", "usr_01jd00", "10:30.5"])
def test_harmless_text_stays(text: str) -> None:
    assert logs.redact_text(text) == text


def test_fields_with_secret_names_lose_their_value_at_any_depth(written: io.StringIO) -> None:
    logging.getLogger("ensign.test").info(
        "made", extra={"outer": {"Password": "p", "list": [{"api_key": "k"}]}, "email": "x", "token_id": "tok_1"}
    )
    found = line(written)
    assert found["outer"] == {"Password": logs.HIDDEN, "list": [{"api_key": logs.HIDDEN}]}
    assert found["email"] == logs.HIDDEN
    assert found["token_id"] == "tok_1"


def test_arguments_and_tracebacks_are_redacted_too(written: io.StringIO) -> None:
    logger = logging.getLogger("ensign.test")
    try:
        raise ValueError(f"no such person: {MAIL}")
    except ValueError:
        logger.exception("failed for %s with %s", MAIL, PAT)
    assert MAIL not in written.getvalue()
    assert PAT not in written.getvalue()
    assert "ValueError" in line(written)["exception"]


def test_structlog_and_the_standard_library_write_the_same_shape(written: io.StringIO) -> None:
    logging.getLogger("ensign.test").info("plain")
    structlog.get_logger("ensign.test").info("bound", actor=MAIL)
    plain, bound = (json.loads(text) for text in written.getvalue().splitlines())
    assert {"event", "level", "logger", "ts"} <= plain.keys() & bound.keys()
    assert bound["actor"] == logs.HIDDEN


@given(prefix=st.text(max_size=20), name=st.from_regex(r"[a-z][a-z0-9.+-]{0,20}", fullmatch=True))
def test_an_address_is_found_inside_any_text(prefix: str, name: str) -> None:
    assert f"{name}@example.org" not in logs.redact_text(f"{prefix} {name}@example.org,")
