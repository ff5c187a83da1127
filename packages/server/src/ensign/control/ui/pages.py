"""The pages of the frame itself: home, settings, and what the command menu finds."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.projects import enforcement
from ensign.control.ui import installation
from ensign.control.ui.desk import desk
from ensign.control.ui.search import search
from ensign.control.ui.visitor import signed_in

INSTALL: Final = "pip install ensign-sdk"
CODE: Final = """from ensign_sdk import Client

client = Client(url="{address}", token="<client token>", app_name="my-app")
client.wait_until_ready(5)

if client.is_enabled("my-flag", {{"userId": "42"}}):
    ...  # the new way
"""
"""How an application begins; ``address`` is where Ensign is."""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """GET /: what waits for the visitor, what falls due, what changed lately."""
    who = signed_in(request)
    address = installation.runs().address
    context = {
        "desk": desk(who),
        "enforcement": enforcement.current(),
        "install": INSTALL,
        "code": CODE.format(address=address),
        "projects": who.projects,
        "may_create": who.may(Permission.ORG_PROJECT_CREATE),
        "may_choose": who.may(Permission.ORG_SETTINGS_MANAGE),
    }
    return render(request, "ui/home.html", context)


@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    """GET /settings: facts about the installation. Where files lie is told to who may change settings."""
    who = signed_in(request)
    chosen = enforcement.current()
    may_manage = who.may(Permission.ORG_SETTINGS_MANAGE)
    context = {
        "runs": installation.runs(),
        "log": installation.log(),
        "places": installation.places() if may_manage else [],
        "enforcement": chosen,
        "chosen_by": identity.name(chosen.chosen_by) if chosen.chosen_by else "",
        "may_manage": may_manage,
        "may_connect": who.may(Permission.ORG_SCIM_MANAGE) or who.may(Permission.ORG_LEDGER_READ),
        "may_integrate": who.may(Permission.ORG_INTEGRATIONS_MANAGE),
        "may_see_rules": who.may(Permission.ORG_SECURITY_MANAGE) or who.may(Permission.ORG_LEDGER_READ),
    }
    return render(request, "ui/settings.html", context)


@require_safe
def commands(request: HttpRequest) -> JsonResponse:
    """GET /commands?q=…: what the command menu finds, ``{"items": [{"label", "kind", "href"}]}``."""
    return JsonResponse({"items": search(signed_in(request), request.GET.get("q", ""))})
