"""Claims: on the server's terminal it can be seen how the emergency access stands, and no code ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from ensign.cli import emergency as terminal
from ensign.control.access import emergency
from ensign.control.identity import factors
from ensign.control.identity.emergency import operations
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign_testkit.people import add_person
from ensign_testkit.server import run


def test_where_nobody_holds_it_the_command_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    assert "Nobody holds an emergency access" in run(data, "emergency", "status").stdout
    assert json.loads(run(data, "emergency", "status", "--json").stdout) == {"status": "none", "ready": False}


def test_it_says_who_holds_it_and_whether_it_is_ready(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    people = [add_person(name, "admin") for name in ("Anna Berg", "Bob Lund")]
    for one in people:
        TOTP.activate(Account.objects.get(person_id=one.id), factors.new_totp_secret())
    at = clock.now()
    emergency.name_holders(actor=people[0], at=at, people=[one.id for one in people])
    terminal.status(at=at, as_json=False)
    assert "It is preparing, not ready. 0 of 2 codes drawn. Holders: Anna Berg, Bob Lund." in capsys.readouterr().out
    codes = [operations.draw(actor=one, at=at) for one in people]
    terminal.status(at=at, as_json=True)
    text = capsys.readouterr().out
    assert json.loads(text)["ready"] is True
    assert not any(code in text for code in codes)
