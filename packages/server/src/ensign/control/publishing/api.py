"""Endpoints of what is published: why an application gets the answer that it gets."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.publishing import playground

router = Router(tags=["playground"])


class EvaluateIn(Input):
    """A context: the six fields of Unleash at the top, everything else in ``properties``. It is not kept.

    With ``flag`` the answer for it is explained part by part.
    """

    context: dict[str, Any] = {}
    flag: str | None = None


class AnswerOut(Schema):
    """One flag's answer; ``variant`` is empty without one."""

    flag: str
    enabled: bool
    variant: str
    payload: str
    reason: str


class EvaluateOut(Schema):
    """All answers, or the explanation of one."""

    answers: list[AnswerOut] = []
    explanation: dict[str, Any] | None = None


class RulesetOut(Schema):
    """A published ruleset in the wire format; ``revision`` is ``epoch.number``, empty while nothing was published."""

    version: int = 2
    project: str
    environment: str
    revision: str
    features: list[dict[str, Any]]
    segments: list[dict[str, Any]]


@router.get("/projects/{project}/environments/{environment}/ruleset", response=RulesetOut)
def get_ruleset(request: HttpRequest, project: str, environment: str) -> object:
    """What the applications of an environment have: to generate code from, or to start an SDK offline with."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    require(actor, Permission.PROJECT_READ, Scope(project), at=clock.now())
    found = playground.published(project, environment)
    return {
        "project": project,
        "environment": environment,
        "revision": found.revision,
        "features": found.features,
        "segments": found.segments,
    }


@router.post("/projects/{project}/environments/{environment}/evaluate", response=EvaluateOut)
def evaluate(request: HttpRequest, project: str, environment: str, body: EvaluateIn) -> object:
    """Evaluate the published rules for a context. Writes nothing."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    require(actor, Permission.PROJECT_READ, Scope(project), at=clock.now())
    rules = playground.ruleset(project, environment)
    if body.flag is not None:
        return {"explanation": playground.explain(rules, body.flag, body.context).to_dict()}
    return {"answers": playground.evaluate_all(rules, body.context)}
