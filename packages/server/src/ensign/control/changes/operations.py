"""The writes of the one write door, as other parts call them."""

from __future__ import annotations

from ensign.control.changes.applying import Applied, apply_standard, standard_request
from ensign.control.changes.drafting import (
    Proposed,
    apply,
    collect,
    edit,
    propose,
    revert,
    submit,
    withdraw,
)
from ensign.control.changes.reviewing import Reviewed, comment, review, review_and_apply
from ensign.control.changes.timing import Timed, schedule, unschedule

__all__ = [
    "Applied",
    "Proposed",
    "Reviewed",
    "Timed",
    "apply",
    "apply_standard",
    "collect",
    "comment",
    "edit",
    "propose",
    "revert",
    "review",
    "review_and_apply",
    "schedule",
    "standard_request",
    "submit",
    "unschedule",
    "withdraw",
]
