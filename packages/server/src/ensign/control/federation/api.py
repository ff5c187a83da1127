"""The API of federation: rules, trying a token out, and the exchange itself (RFC 8693)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Form, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.access.schemas import ReasonIn, scope_of
from ensign.control.api import etag
from ensign.control.api.pages import Page
from ensign.control.api.parser import UnsupportedMediaType
from ensign.control.api.schemas import Input
from ensign.control.federation import checking, operations, queries
from ensign.control.federation.domain import MINUTES_DEFAULT, RuleView, RuleWish, warnings
from ensign.control.federation.exchange import exchange
from ensign.control.federation.verify import Refused
from ensign.control.identity import queries as identity
from ensign.control.identity.web import caller
from ensign.control.kernel import clock

router = Router(tags=["federation"])

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name of RFC 8693
SUBJECT_TYPES = ("urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt")
_FORM = "application/x-www-form-urlencoded"


class RuleIn(Input):
    """A rule. ``claims``: name -> pattern, where ``*`` is a run without ``/`` and ``:``, ``**`` one without ``:``.
    ``shape``: github, gitlab or other; ``permissions`` null is no narrowing; ``minutes``: 5 to 60.
    """

    name: str
    shape: str
    issuer: str
    audience: str
    claims: dict[str, str] = Field(max_length=10)
    permissions: list[str] | None = None
    project: str | None = None
    environment: str | None = None
    minutes: int = MINUTES_DEFAULT

    def to_wish(self) -> RuleWish:
        """As the operation takes it."""
        return RuleWish(
            name=self.name,
            shape=self.shape,
            issuer=self.issuer,
            audience=self.audience,
            claims=self.claims,
            permissions=None if self.permissions is None else frozenset(self.permissions),
            scope=scope_of(self.project, self.environment),
            minutes=self.minutes,
        )


class RuleOut(Schema):
    """A rule. ``warnings``: what it does not pin."""

    id: str
    service_account: str
    name: str
    shape: str
    issuer: str
    audience: str
    claims: dict[str, str]
    permissions: list[str] | None
    project: str | None
    environment: str | None
    minutes: int
    status: str
    created_by: str
    created_at: datetime
    changed_by: str
    version: int
    warnings: list[str]

    @staticmethod
    def of(rule: RuleView) -> RuleOut:
        """From its value."""
        return RuleOut(
            id=rule.id,
            service_account=rule.service_account,
            name=rule.name,
            shape=rule.shape,
            issuer=rule.issuer,
            audience=rule.audience,
            claims=dict(rule.claims),
            permissions=None if rule.permissions is None else list(rule.permissions),
            project=rule.project,
            environment=rule.environment,
            minutes=rule.minutes,
            status=rule.status,
            created_by=rule.created_by,
            created_at=rule.created_at,
            changed_by=rule.changed_by,
            version=rule.version,
            warnings=list(warnings(rule.shape, rule.claims)),
        )


class TryIn(Input):
    """An ID token to try out. It is not stored, and nothing is made of it."""

    subject_token: str


class StepOut(Schema):
    """One check; ``problem`` is empty when it passed."""

    title: str
    problem: str


class ClaimOut(Schema):
    """A pinned claim beside what the token says."""

    name: str
    pattern: str
    value: str
    problem: str


class VerdictOut(Schema):
    """Whether the rule lets the job in, and why not."""

    good: bool
    steps: list[StepOut]
    claims: list[ClaimOut]


class ExchangeIn(Schema):
    """The form of RFC 8693, section 2.1. ``audience``: the service account by id or name, or the rule by id; needed
    where several rules let the job in.
    """

    grant_type: str = ""
    subject_token: str = ""
    subject_token_type: str = ""
    audience: str = ""
    requested_token_type: str = ""
    scope: str = ""
    actor_token: str = ""


class ExchangedOut(Schema):
    """RFC 8693, section 2.2.1. The token is in this answer and nowhere else."""

    access_token: str
    issued_token_type: str
    token_type: str
    expires_in: int


class RefusedOut(Schema):
    """RFC 6749, section 5.2; ``code`` says which step failed."""

    error: str
    error_description: str
    code: str


@router.get("/service-accounts/{service_account_id}/federation-rules", response=Page[RuleOut])
def list_rules(request: HttpRequest, service_account_id: str, ended: bool = False) -> Page[RuleOut]:
    """Which CI jobs may act as a service account."""
    actor, at = caller(request)
    require(actor, Permission.ORG_READ, at=at)
    account = identity.service_account(service_account_id)
    found = queries.rules(service_account=account.id, ended=ended)
    return Page[RuleOut](items=[RuleOut.of(rule) for rule in found])


@router.post("/service-accounts/{service_account_id}/federation-rules", response={201: RuleOut})
def create_rule(request: HttpRequest, service_account_id: str, body: RuleIn) -> Status[RuleOut]:
    """Let CI jobs act as a service account. Needs a session."""
    actor, at = caller(request)
    made = operations.create(actor=actor, at=at, service_account_id=service_account_id, wish=body.to_wish())
    return Status(201, RuleOut.of(made))


@router.get("/federation-rules/{rule_id}", response=RuleOut)
def get_rule(request: HttpRequest, response: HttpResponse, rule_id: str) -> RuleOut:
    """One rule."""
    actor, at = caller(request)
    require(actor, Permission.ORG_READ, at=at)
    rule = queries.rule(rule_id)
    etag.give(response, version=rule.version)
    return RuleOut.of(rule)


@router.put("/federation-rules/{rule_id}", response=RuleOut)
def change_rule(request: HttpRequest, rule_id: str, body: RuleIn) -> RuleOut:
    """Change a rule; tokens that were made by it end at once. Needs a session."""
    actor, at = caller(request)
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    etag.require_match(request, version=queries.rule(rule_id).version)
    return RuleOut.of(operations.change(actor=actor, at=at, rule_id=rule_id, wish=body.to_wish()))


@router.post("/federation-rules/{rule_id}/end", response=RuleOut)
def end_rule(request: HttpRequest, rule_id: str, body: ReasonIn) -> RuleOut:
    """End a rule and the tokens that were made by it. Needs a session."""
    actor, at = caller(request)
    return RuleOut.of(operations.end(actor=actor, at=at, rule_id=rule_id, reason=body.reason))


@router.post("/federation-rules/{rule_id}/try", response=VerdictOut)
def try_token(request: HttpRequest, rule_id: str, body: TryIn) -> dict[str, Any]:
    """Whether a rule lets a job in, and which claim does not match. Needs a session."""
    actor, at = caller(request)
    found = checking.try_token(actor=actor, at=at, rule_id=rule_id, subject_token=body.subject_token)
    steps = [{"title": step.title, "problem": step.problem} for step in found.steps]
    claims = [{name: getattr(match, name) for name in ClaimOut.model_fields} for match in found.claims]
    return {"good": found.good, "steps": steps, "claims": claims}


@router.post("/oidc/token-exchange", auth=None, response={200: ExchangedOut, 400: RefusedOut, 503: RefusedOut})
def exchange_token(request: HttpRequest, response: HttpResponse, form: Form[ExchangeIn]) -> object:
    """Exchange the ID token of a CI job for a short-lived token of a service account (RFC 8693).

    Needs no other credential: the ID token is one. `Content-Type: application/x-www-form-urlencoded`.
    """
    response["Cache-Control"] = "no-store"
    if request.content_type != _FORM:
        raise UnsupportedMediaType("The body is not a form.", remedy=f"Send `Content-Type: {_FORM}` (RFC 8693).")
    problem = _malformed(request, form)
    if problem is not None:
        return Status(400, {"error": problem[0], "error_description": problem[1], "code": problem[0]})
    at = clock.now()
    try:
        made = exchange(subject_token=form.subject_token.strip(), audience=form.audience, at=at)
    except Refused as refused:
        away = refused.code == "issuer_away"
        error = "temporarily_unavailable" if away else "invalid_grant"
        if away:
            response["Retry-After"] = "60"
        said = {"error": error, "error_description": str(refused), "code": refused.code}
        return Status(503 if away else 400, said)
    return Status(
        200,
        {
            "access_token": made.text,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": int((made.token.expires_at - at).total_seconds()),
        },
    )


def _malformed(request: HttpRequest, form: ExchangeIn) -> tuple[str, str] | None:
    """(error, description) for a request that is not one, or asks for what is not done here."""
    if any(len(values) > 1 for _, values in request.POST.lists()):
        return "invalid_request", "A parameter stands there twice."
    if form.grant_type != GRANT:
        return "unsupported_grant_type", f"`grant_type` must be {GRANT}."
    if form.subject_token_type not in SUBJECT_TYPES:
        return "invalid_request", f"`subject_token_type` must be one of {', '.join(SUBJECT_TYPES)}."
    if not form.subject_token:
        return "invalid_request", "`subject_token` is missing."
    if form.actor_token or form.requested_token_type not in {"", ACCESS_TOKEN}:
        return "invalid_request", "Only access tokens are made, and nobody acts for somebody else."
    if form.scope:
        return "invalid_scope", "What the token may do is said by the rule; leave `scope` out."
    return None
