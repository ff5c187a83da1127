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

__all__ = [
    "Applied",
    "LineOf",
    "Proposed",
    "Reviewed",
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
    "standard_request",
    "submit",
    "submit_and_ask",
    "withdraw",
]
