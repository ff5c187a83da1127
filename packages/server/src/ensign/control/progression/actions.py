"""What progression writes into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

RUN_REPORTED = action("test_run.reported", "reported a test run")
