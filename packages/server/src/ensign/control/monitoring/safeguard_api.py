"""Endpoints of safeguards and of the Prometheus that they ask."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.monitoring import guarding, prometheus
from ensign.control.monitoring import safeguard_queries as queries
from ensign.control.monitoring.domain.safeguards import Safeguard, Source
from ensign.control.monitoring.guarding import SafeguardWish
from ensign.control.monitoring.safeguard_queries import SafeguardView
from ensign.control.projects import queries as projects

router = Router(tags=["safeguards"])

_P = "/projects/{project}"
_Text = Annotated[str, Field(max_length=4_000, pattern=r"^[^\x00]*$")]


class SourceIo(Input):
    """Where the number comes from; which members count depends on ``kind`` (docs/reference/safeguards.md)."""

    kind: Literal["prometheus", "alertmanager", "webhook", "impact"]
    query: _Text = ""
    measure: Literal["increase", "ratio", "value", "mean"] = "increase"
    metric: _Text = ""
    per: _Text = ""
    minutes: int = 5
    labels: dict[str, str] = {}
    path: _Text = ""


class SafeguardIn(Input):
    """What it should be. ``account`` is the id of the service account that acts."""

    flag: _Text
    source: SourceIo
    account: _Text
    act: Literal["off", "pause"] = "off"
    above: bool = True
    threshold: _Text = "0"
    checks: int = 3
    no_data_minutes: int = 15
    reason: str = ""


class SafeguardNew(SafeguardIn):
    """A new one, and its place. ``key`` is what a ramp's plan names it by."""

    environment: _Text
    key: _Text


class WatchOut(Schema):
    """What it saw last; ``problem`` says why there was no number."""

    breaches: int
    value: str
    problem: str
    checked_at: datetime | None
    silent_since: datetime | None


class SafeguardOut(Schema):
    """A safeguard. ``hook`` is the address to call, for those that are called."""

    id: str
    version: int
    key: str
    project: str
    environment: str
    flag: str
    source: SourceIo
    act: str
    above: bool
    threshold: str
    checks: int
    no_data_minutes: int
    account: str
    status: str
    made_by: str
    made_at: datetime
    armed_at: datetime
    fired_at: datetime | None
    fired_value: str
    outcome: str | None
    hook: str
    watch: WatchOut


class SafeguardMade(SafeguardOut):
    """With the secret that its caller needs, which is shown this once; empty for one that Ensign asks itself."""

    secret: str


class ReasonIn(Input):
    """Why."""

    reason: str = ""


class PrometheusIn(Input):
    """Which Prometheus. ``secret`` is a bearer token or ``user:password``; left out, the one that is there stays."""

    url: _Text
    credentials: Literal["none", "bearer", "basic"] = "none"
    secret: _Text = ""
    reason: str = ""


class PrometheusOut(Schema):
    """Which Prometheus, without its secret."""

    version: int
    url: str
    credentials: str


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def hook_of(one: Safeguard) -> str:
    """The address to call; empty for one that Ensign asks itself."""
    called = one.source.kind in {"alertmanager", "webhook"}
    return f"{settings.PUBLIC_URL}/hooks/safeguards/{one.id}" if called else ""


def members(view: SafeguardView) -> dict[str, Any]:
    """A safeguard's members as the API shows them."""
    one = view.safeguard
    names = [name for name in SafeguardOut.__annotations__ if hasattr(one, name)]
    return {
        **{name: getattr(one, name) for name in names},
        "version": view.version,
        "source": one.source.to_state(),
        "hook": hook_of(one),
        "watch": {name: getattr(view.watch, name) for name in WatchOut.__annotations__},
    }


def _wish(body: SafeguardIn) -> SafeguardWish:
    names = [name for name in SafeguardWish.__slots__ if name != "source"]
    return SafeguardWish(**{name: getattr(body, name) for name in names}, source=Source(**body.source.dict()))


def _read(request: HttpRequest, response: HttpResponse, project: str, id: str) -> SafeguardOut:
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    view = queries.safeguard(id, project=project)
    etag.give(response, version=view.version)
    return SafeguardOut(**members(view))


@router.get(f"{_P}/safeguards", response=Page[SafeguardOut], summary="List safeguards")
def list_safeguards(request: HttpRequest, project: str, ended: bool = False) -> Page[SafeguardOut]:
    """By environment and key, with what each saw last; all of them at once."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    projects.project(project)
    found = [SafeguardOut(**members(view)) for view in queries.safeguards(project, ended=ended)]
    return Page[SafeguardOut](items=found, next_cursor=None)


@router.post(f"{_P}/safeguards", response={201: SafeguardMade}, summary="Make a safeguard")
def make_safeguard(
    request: HttpRequest, response: HttpResponse, project: str, body: SafeguardNew
) -> Status[SafeguardMade]:
    """It is armed at once. Its maker and its service account both need the right to do by hand what it does."""
    made = guarding.make(
        actor=_actor(request), at=clock.now(), project=project, environment=body.environment, key=body.key,
        wish=_wish(body), reason=body.reason,
    )  # fmt: skip
    view = queries.safeguard(made.safeguard.id, project=project)
    etag.give(response, version=view.version)
    return Status(201, SafeguardMade(**members(view), secret=made.secret))


@router.get(f"{_P}/safeguards/{{safeguard}}", response=SafeguardOut, summary="One safeguard")
def read_safeguard(request: HttpRequest, response: HttpResponse, project: str, safeguard: str) -> SafeguardOut:
    """With what it saw last."""
    return _read(request, response, project, safeguard)


@router.put(f"{_P}/safeguards/{{safeguard}}", response=SafeguardOut, summary="Change a safeguard")
def change_safeguard(
    request: HttpRequest, response: HttpResponse, project: str, safeguard: str, body: SafeguardIn
) -> SafeguardOut:
    """Its key, place, flag and kind of source stay."""
    view = queries.safeguard(safeguard, project=project)
    etag.require_match(request, version=view.version)
    guarding.change(
        actor=_actor(request), at=clock.now(), safeguard_id=safeguard, wish=_wish(body), reason=body.reason,
        expected_version=view.version,
    )  # fmt: skip
    return _read(request, response, project, safeguard)


@router.post(f"{_P}/safeguards/{{safeguard}}/arm", response=SafeguardOut, summary="Arm a safeguard again")
def arm_safeguard(
    request: HttpRequest, response: HttpResponse, project: str, safeguard: str, body: ReasonIn
) -> SafeguardOut:
    """After it fired."""
    view = queries.safeguard(safeguard, project=project)
    etag.require_match(request, version=view.version)
    guarding.rearm(actor=_actor(request), at=clock.now(), safeguard_id=safeguard, reason=body.reason)
    return _read(request, response, project, safeguard)


@router.post(f"{_P}/safeguards/{{safeguard}}/end", response=SafeguardOut, summary="End a safeguard")
def end_safeguard(
    request: HttpRequest, response: HttpResponse, project: str, safeguard: str, body: ReasonIn
) -> SafeguardOut:
    """For good."""
    view = queries.safeguard(safeguard, project=project)
    etag.require_match(request, version=view.version)
    guarding.end(actor=_actor(request), at=clock.now(), safeguard_id=safeguard, reason=body.reason)
    return _read(request, response, project, safeguard)


def _shown(response: HttpResponse, present: prometheus.Present) -> PrometheusOut:
    etag.give(response, version=present.version)
    return PrometheusOut(version=present.version, url=present.url, credentials=present.credentials)


@router.get("/prometheus", response=PrometheusOut, summary="Which Prometheus safeguards ask")
def read_prometheus(request: HttpRequest, response: HttpResponse) -> PrometheusOut:
    """Never its secret."""
    require(_actor(request), Permission.ORG_READ, at=clock.now())
    return _shown(response, prometheus.present())


@router.put("/prometheus", response=PrometheusOut, summary="Choose the Prometheus that safeguards ask")
def choose_prometheus(request: HttpRequest, response: HttpResponse, body: PrometheusIn) -> PrometheusOut:
    """An empty `url`: none. Internal addresses are allowed by who runs the server (`ENSIGN_PROMETHEUS_ALLOW`)."""
    present = prometheus.present()
    etag.require_match(request, version=present.version)
    chosen = prometheus.choose(
        actor=_actor(request), at=clock.now(), url=body.url, credentials=body.credentials, secret=body.secret,
        version=present.version, reason=body.reason,
    )  # fmt: skip
    return _shown(response, chosen)
