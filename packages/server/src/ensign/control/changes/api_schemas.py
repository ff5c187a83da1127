"""What the endpoints of changes take and give."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from ensign.control.api.schemas import Input
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS

Status_ = Literal[
    "draft", "in_review", "changes_requested", "approved", "scheduled", "applied", "rejected", "withdrawn", "expired"
]  # fmt: skip


class ProposeIn(Input):
    """A change set and what it is for. ``wish``: ``apply`` at once if the policy allows, ``submit``, or ``draft``."""

    operations: list[dict[str, Any]] = Field(min_length=1, max_length=200)
    title: str = ""
    reason: str = ""
    wish: Literal["apply", "submit", "draft"] = "apply"
    tickets: list[str] = Field([], max_length=MAX_TICKETS, description="What it is for: PAY-142, or an address.")


class EditIn(Input):
    """What to replace; members left out stay. A conflict stays one: ``POST …/rebase`` carries it over line by line."""

    operations: list[dict[str, Any]] | None = Field(None, min_length=1, max_length=200)
    title: str | None = None
    reason: str | None = None
    tickets: list[str] | None = Field(None, max_length=MAX_TICKETS)


class DecisionIn(Input):
    """A decision on what you have seen: ``digest`` is the request's."""

    digest: str
    comment: str = ""


class ApproveIn(DecisionIn):
    """An approval. ``answer`` is what the browser's passkey gave to the question: needed where approvals are signed."""

    answer: dict[str, Any] | None = None


class CommentIn(Input):
    """A comment."""

    comment: str


class RevertIn(Input):
    """Why, and whether to submit the revert or to apply it at once where the policy asks for no approval.

    `choices`: for each line that was changed again, `mine` to take it back all the same, `theirs` to leave it.
    """

    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)
    wish: Literal["apply", "submit", "draft"] = "submit"
    choices: dict[str, Literal["mine", "theirs"]] = Field(default_factory=dict)


class SubmitIn(Input):
    """Whom to ask to look at it: ids of people and groups."""

    reviewers: list[str] = Field(default_factory=list, max_length=20)


class ApprovalOut(Schema):
    """One approval; ``lost`` says why it no longer counts. ``signed``: with a passkey (see ``signatures``)."""

    person: str
    at: str
    round: int
    policy: str
    digest: str
    lost: str | None = None
    signed: bool = False


class RowOut(Schema):
    """One thing that differs; null where a side lacks it."""

    path: str
    before: str | None
    after: str | None


class RequestOut(Schema):
    """A change request. ``conflicted`` names objects that changed since it was written."""

    id: str
    version: int
    project: str
    environment: str
    title: str
    reason: str
    status: str
    author: str
    contributors: list[str]
    behind: list[str] = Field(
        description="Who stood behind a service account among the authors: barred from approving."
    )
    round: int
    operations: list[dict[str, Any]]
    digest: str
    base: dict[str, int]
    approvals: list[ApprovalOut]
    required: int
    missing: int
    lacking: list[str] = Field(description="In sentences, which approvals are missing.")
    policy: str
    conflicted: list[str]
    warnings: list[str]
    sentences: list[str]
    diff: list[RowOut]
    created_at: str
    updated_at: str
    submitted_at: str | None
    applied_at: str | None
    applied_by: str | None
    mode: str | None
    reverts: str | None
    tickets: list[str]
    schedule: dict[str, Any] | None = Field(description="When it applies by itself: at, by, state, problem.")
    plan: dict[str, Any] | None = Field(description="Of which approved plan it is a step.")
    reviewers: list[str] = Field(description="People and groups who were asked to look.")
    expires_at: str | None = Field(
        description="When it ends by itself if nobody applies it; null before it is submitted."
    )
    entry: int = Field(description="The number of the ledger entry that wrote this version.")


class PreviewOut(Schema):
    """What a proposal would do and what it would need. Nothing was written."""

    sentences: list[str]
    diff: list[RowOut]
    warnings: list[str]
    operations: list[dict[str, Any]]
    digest: str
    base: dict[str, int]
    policy: str
    required: int
    protected: bool
    outcome: Literal["applies", "review"]
    verdict: str
