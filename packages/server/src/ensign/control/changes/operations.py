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

__all__ = [
    "Applied",
    "Proposed",
    "Reviewed",
    "apply",
    "apply_standard",
    "collect",
    "comment",
    "edit",
    "propose",
    "revert",
    "review",
    "review_and_apply",
    "standard_request",
    "submit",
    "withdraw",
]
