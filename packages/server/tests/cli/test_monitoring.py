"""Claims: alerts are judged and safeguards made, armed and ended from the terminal; a running server acts by itself."""

from __future__ import annotations

import csv
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.control.monitoring.domain import signatures
from ensign.control.kernel import clock
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.waiting import until


class Terminal:
    """`ensign` as somebody of the seed."""

    def __init__(self, data: Path, url: str, token: str) -> None:
        self.data, self.env = data, {"ENSIGN_URL": url, "ENSIGN_TOKEN": token}

    def plain(self, *words: str) -> str:
        """What a person reads."""
        done = run(self.data, *words, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def __call__(self, *words: str, code: int = 0) -> Any:
        done = run(self.data, *words, "--json", env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout if code == 0 else done.stderr)
