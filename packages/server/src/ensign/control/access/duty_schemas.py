"""What the API of requests, exceptions and findings reads and answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from ninja import Schema
from pydantic import Field

from ensign.control.access.asked import ExceptionView, RequestView, RoleAsked
from ensign.control.access.findings import Finding
from ensign.control.api.schemas import Input


class RoleAskedOut(Schema):
    """A role and where; null means everywhere. ``flag_types`` and ``tags``: only flags of these; empty: any."""

    role: str
    project: str | None
    environment: str | None
    flag_types: list[str]
    tags: list[str]

    @staticmethod
    def of(asked: RoleAsked) -> RoleAskedOut:
        """From its value."""
        return RoleAskedOut(**asked.to_state())


class ApprovalOut(Schema):
    """Who approved, and when."""

    by: str
    at: datetime


class AccessRequestOut(Schema):
    """A request for access. ``kind``: ``own`` (asked for oneself), ``grant``, ``membership`` or ``extension`` (begun by
    who may give it, waiting for a second person). ``sole_granter``: nobody else could confirm it.
    """

    id: str
    kind: str
    subject: str
    roles: list[RoleAskedOut]
    group: str | None
    extends: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    minutes: int | None
    reason: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    needed: int
    approvals: list[ApprovalOut]
    status: str
    decided_by: str | None
    decided_at: datetime | None
    answer: str
    grant: str | None
    sole_granter: bool
    reviewed_by: str | None
    reviewed_at: datetime | None
    version: int

    @staticmethod
    def of(request: RequestView) -> AccessRequestOut:
        """From its value."""
        lasts = request.lasts
        return AccessRequestOut(
            id=request.id,
            kind=request.kind,
            subject=request.subject,
            roles=[RoleAskedOut.of(one) for one in request.roles],
            group=request.group,
            extends=request.extends,
            starts_at=request.starts_at,
            ends_at=request.ends_at,
            minutes=None if lasts is None else round(lasts / timedelta(minutes=1)),
            reason=request.reason,
            requested_by=request.requested_by,
            requested_at=request.requested_at,
            expires_at=request.expires_at,
            needed=request.needed,
            approvals=[ApprovalOut(by=said.by, at=said.at) for said in request.approvals],
            status=request.status,
            decided_by=request.decided_by,
            decided_at=request.decided_at,
            answer=request.answer,
            grant=request.grant,
            sole_granter=request.sole,
            reviewed_by=request.reviewed_by,
            reviewed_at=request.reviewed_at,
            version=request.version,
        )


class AskIn(Input):
    """A role for oneself, for a number of minutes from the approval on."""

    role: str = Field(max_length=64)
    project: str | None = None
    environment: str | None = None
    flag_types: list[str] = Field(default=[], max_length=50)
    tags: list[str] = Field(default=[], max_length=50)
    minutes: int = Field(default=480, ge=1, le=43_200)
    reason: str


class AnswerIn(Input):
    """Why."""

    reason: str = ""


class PairOut(Schema):
    """Two halves of a control: whoever holds one of ``one`` holds none of ``other`` in the same place."""

    key: str
    title: str
    one: list[str]
    other: list[str]
    risk: str


class ExceptionIn(Input):
    """An exception to propose. ``pairs``: keys of what is excepted."""

    subject: str = Field(max_length=64)
    pairs: list[str] = Field(max_length=20)
    project: str | None = None
    environment: str | None = None
    reason: str
    control: str
    expires_at: datetime


class ExceptionOut(Schema):
    """An exception from segregation of duties. ``setup``: made with the first person, by nobody else."""

    id: str
    subject: str
    pairs: list[str]
    project: str | None
    environment: str | None
    reason: str
    control: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    status: str
    in_force: bool
    setup: bool
    version: int

    @staticmethod
    def of(exception: ExceptionView, *, at: datetime) -> ExceptionOut:
        """From its value, as of ``at``."""
        return ExceptionOut(
            id=exception.id,
            subject=exception.subject,
            pairs=list(exception.pairs),
            project=exception.scope.project,
            environment=exception.scope.environment,
            reason=exception.reason,
            control=exception.control,
            requested_by=exception.requested_by,
            requested_at=exception.requested_at,
            expires_at=exception.expires_at,
            approved_by=exception.approved_by,
            approved_at=exception.approved_at,
            status=exception.status,
            in_force=exception.in_force(at=at),
            setup=exception.setup,
            version=exception.version,
        )


class FindingOut(Schema):
    """One thing to put right. ``code`` is stable; ``url`` the page where it is put right."""

    code: str
    subject: str
    title: str
    remedy: str
    since: datetime | None
    url: str
    detail: str

    @staticmethod
    def of(finding: Finding) -> FindingOut:
        """From its value."""
        return FindingOut(
            code=finding.code,
            subject=finding.subject,
            title=finding.title,
            remedy=finding.remedy,
            since=finding.since,
            url=finding.url,
            detail=finding.detail,
        )
