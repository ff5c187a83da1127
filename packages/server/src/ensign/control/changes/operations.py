"""The writes of the one write door, as other parts call them."""

from __future__ import annotations

from ensign.control.changes.applying import Applied, apply_standard, standard_request
from ensign.control.changes.asking import ask_reviewers, submit_and_ask
from ensign.control.changes.discussing import LineOf, comment, resolve
from ensign.control.changes.drafting import Proposed, apply, collect, edit, propose, submit, withdraw
from ensign.control.changes.expiring import expire
from ensign.control.changes.rebasing import rebase, revert
from ensign.control.changes.reviewing import Reviewed, review, review_and_apply
from ensign.control.changes.revising import revise
from ensign.control.changes.timing import Timed, schedule, unschedule

__all__ = [
    "Applied",
    "LineOf",
    "Proposed",
    "Reviewed",
    "Timed",
    "apply",
    "apply_standard",
    "ask_reviewers",
    "collect",
    "comment",
    "edit",
    "expire",
    "propose",
    "rebase",
    "resolve",
    "revert",
    "review",
    "review_and_apply",
    "revise",
    "schedule",
    "standard_request",
    "submit",
    "submit_and_ask",
    "unschedule",
    "withdraw",
]
