"""Pages of integrations: of the installation under Settings, of a project under the project."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.decisions import denied, require
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.identity.web import SeeOther, add_errors, secret_page
from ensign.control.integrations import deliveries, mailing, operations, registry, sealed
from ensign.control.integrations.domain.messages import Mail
from ensign.control.integrations.forms import IntegrationForm, form_of
from ensign.control.integrations.registry import KIND_WORDS, View
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks

STATES = {
    "active": looks.Status(word="In use", icon="on", tone=looks.Tone.GOOD),
    "disabled": looks.Status(word="Switched off", icon="off", tone=looks.Tone.CALM),
    "deleted": looks.Status(word="Archived", icon="archive", tone=looks.Tone.CALM),
}
FAILING = looks.Status(word="Given up", icon="failure", tone=looks.Tone.BAD)
TRIED = {
    "due": looks.Status(word="On its way", icon="waiting", tone=looks.Tone.INFO),
    "held": looks.Status(word="For the digest", icon="schedule", tone=looks.Tone.CALM),
    "sent": looks.Status(word="Arrived", icon="on", tone=looks.Tone.GOOD),
    "dead": looks.Status(word="Given up", icon="failure", tone=looks.Tone.BAD),
    "dropped": looks.Status(word="Not sent", icon="off", tone=looks.Tone.CALM),
}


def _open(request: HttpRequest, project: str | None) -> Visit:
    """Who manages integrations there.

    :raises Denied: when they do not.
    """
    here = visit(request, project=project)
    if project is None:
        need, scope = Permission.ORG_INTEGRATIONS_MANAGE, ORGANISATION
    else:
        need, scope = Permission.PROJECT_INTEGRATIONS_MANAGE, Scope(project)
    decision = here.held.decide(need, scope)
    if not decision.allowed:
        raise denied(decision, need, scope)
    return here


def _steps(project: str | None, *more: tuple[str, str]) -> list[looks.Crumb]:
    if project is None:
        steps = [("Settings", reverse("settings:index")), ("Integrations", reverse("integrations:list"))]
    else:
        found = projects.project(project)
        home = reverse("projects:detail", kwargs={"project": project})
        steps = [(found.name, home), ("Integrations", reverse("integrations:project", kwargs={"project": project}))]
    rows = [*steps, *more]
    rows[-1] = (rows[-1][0], "")
    return [looks.Crumb(label=label, href=href) for label, href in rows]


def state_of(view: View) -> looks.Status:
    """How an integration stands, in a word."""
    return FAILING if view.status == "disabled" and view.why != "by hand" else STATES[view.status]


@require_safe
def listing(request: HttpRequest, project: str = "") -> HttpResponse:
    """The integrations of the installation, or of a project."""
    wanted = project or None
    here = _open(request, wanted)
    found = registry.integrations(project=wanted)
    new = reverse("integrations:project-new", kwargs={"project": project}) if project else reverse("integrations:new")
    context: dict[str, Any] = {
        "lines": [{"view": one, "state": state_of(one)} for one in found],
        "above": registry.integrations(project=None) if project else [],
        "kinds": [{"key": key, "name": name} for key, name in KIND_WORDS.items()],
        "new": new,
        "steps": _steps(wanted),
        "project": projects.project(project) if project else None,
    }
    if not project:
        context |= {
            "mail": mailing.configured(),
            "host": settings.SMTP_HOST,
            "sender": settings.SMTP_FROM,
            "may_try": here.may(Permission.ORG_INTEGRATIONS_MANAGE),
            "undelivered": deliveries.undelivered_mail(),
        }
    return render(request, "integrations/list.html", context)


@never_cache
@sensitive_post_parameters("url", "token")
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, project: str = "") -> HttpResponse:
    """Connect something."""
    wanted = project or None
    here = _open(request, wanted)
    kind = request.POST.get("kind") or request.GET.get("kind", "webhook")
    if kind not in KIND_WORDS:
        raise Invalid("There is no such kind.", remedy="Choose one in the list of integrations.")
    form = IntegrationForm(request.POST if request.method == "POST" else None, kind=kind)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = operations.make(actor=here.actor, at=here.at, kind=kind, project=wanted, wish=form.wish())
        except (Invalid, Conflict) as error:
            status = add_errors(form, error)
        else:
            if made.secret:
                return secret_page(request, "integrations/secret.html", _once(made))
            messages.success(request, f"{made.integration.name} is connected. Try it below.")
            return SeeOther(reverse("integrations:detail", kwargs={"id": made.integration.id}))
    elif form.is_bound:
        status = 422
    context = {
        "form": form,
        "kind": kind,
        "kind_name": KIND_WORDS[kind],
        "steps": _steps(wanted, (f"Connect {KIND_WORDS[kind]}", "")),
    }
    return render(request, "integrations/new.html", context, status=status)


def _once(made: operations.Made) -> dict[str, Any]:
    view = made.integration
    return {"view": view, "secret": made.secret, "steps": _steps(view.project, (view.name, ""))}


@never_cache
@sensitive_post_parameters("url", "token")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """One integration: what it says, what was sent, what may be done with it."""
    visit(request)  # before it is said whether there is such a one
    view = registry.integration(id)
    here = _open(request, view.project)
    form = form_of(view, request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            operations.change(actor=here.actor, at=here.at, id=id, wish=form.wish())
        except (Invalid, Conflict) as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Kept.")
            return SeeOther(reverse("integrations:detail", kwargs={"id": id}))
    elif form.is_bound:
        status = 422
    sent = deliveries.of(id) if view.outgoing else []
    context = {
        "view": view,
        "form": form,
        "state": state_of(view),
        "steps": _steps(view.project, (view.name, "")),
        "sent": [{"row": row, "state": TRIED[row.status]} for row in sent],
        "made_by": identity.name(view.made_by),
        "has_token": not view.outgoing and sealed.has(id, "token"),
        "now": here.at,
    }
    return render(request, "integrations/detail.html", context, status=status)


@require_POST
def act(request: HttpRequest, id: str) -> HttpResponse:
    """Try it out, rotate its secret, switch it off or on, archive it, send something again: by the button."""
    visit(request)  # before it is said whether there is such a one
    view = registry.integration(id)
    here = _open(request, view.project)
    who: dict[str, Any] = {"actor": here.actor, "at": here.at}
    back = reverse("integrations:detail", kwargs={"id": id})
    try:
        match request.POST.get("act", ""):
            case "test":
                operations.try_out(id=id, **who)
                messages.success(request, "A test is on its way: see below in a moment.")
            case "rotate":
                return secret_page(request, "integrations/secret.html", _once(operations.rotate(id=id, **who)))
            case "disable":
                operations.disable(id=id, **who)
                messages.success(request, "Switched off.")
            case "enable":
                operations.enable(id=id, **who)
                messages.success(request, "In use again.")
            case "delete":
                operations.delete(id=id, **who)
                messages.success(request, f"{view.name} is archived; its secrets are gone.")
                place = {"project": view.project} if view.project else {}
                back = reverse("integrations:project" if place else "integrations:list", kwargs=place)
            case "redeliver":
                operations.redeliver(delivery=request.POST.get("delivery", ""), **who)
                messages.success(request, "It is sent again, with the same id.")
            case _:
                raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        messages.error(request, f"{error.message} {error.remedy}".strip())
    return SeeOther(back)


@require_POST
def try_mail(request: HttpRequest) -> HttpResponse:
    """Send an e-mail to the visitor, to see whether e-mails leave."""
    here = _open(request, None)
    require(here.actor, Permission.ORG_INTEGRATIONS_MANAGE, at=here.at)
    try:
        send_test(here.actor.id)
    except EnsignError as error:
        messages.error(request, f"{error.message} {error.remedy}".strip())
    else:
        messages.success(request, "The server took a test e-mail to your address.")
    return SeeOther(reverse("integrations:list"))


def send_test(person: str) -> None:
    """Hand a test e-mail to the server at once.

    :raises Conflict: when no server is set, or it does not take it.
    """
    if not mailing.configured():
        raise Conflict("No mail server is set.", remedy="Set ENSIGN_SMTP_HOST and ENSIGN_SMTP_FROM, then start again.")
    said = "This is a test: e-mails of Ensign reach you."
    mail = Mail(subject="A test of Ensign's e-mail", text=f"{said}\n", html=f"<p>{said}</p>")
    try:
        mailing.send(mail, to=identity.person(person).email)
    except OSError as error:
        raise Conflict(f"It was not sent: {error}.", remedy="Check the settings of SMTP.") from None
