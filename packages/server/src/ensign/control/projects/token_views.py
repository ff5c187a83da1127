"""Pages about all tokens, their rules, and rotating a client token."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.credentials import State
from ensign.control.access.findings import findings
from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import inventory, pages, queries, token_rotation, token_rules
from ensign.control.projects.forms import RotateForm, TokenFilterForm, TokenRulesForm, attach
from ensign.control.projects.tokens_api import as_response
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks

SHOWN: Final = 500
_KINDS: Final = {
    "personal": "Personal",
    "service": "Service account",
    "federated": "CI job",
    "directory": "Directory (SCIM)",
    "backend": "Client, backend",
    "frontend": "Client, front end",
    "edge": "Client, edge",
}
_STATES: Final[dict[State, looks.Status]] = {
    "active": looks.Status(word="Active", icon="on", tone=looks.Tone.GOOD),
    "rotating": looks.Status(word="Being replaced", icon="waiting", tone=looks.Tone.INFO),
    "expired": looks.Status(word="Expired", icon="waiting", tone=looks.Tone.CALM),
    "revoked": looks.Status(word="Revoked", icon="blocked", tone=looks.Tone.BAD),
}
_FOUND: Final = {"rotation-due": "Rotate it", "token-unused": "Unused", "token-expiring": "Ends soon"}


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every token of the installation."""
    here = visit(request)
    rules = token_rules.current()
    form = TokenRulesForm(initial={"max_days": rules.max_days, "never": rules.never})
    return _listing(request, here, form)


def _listing(request: HttpRequest, here: Visit, form: TokenRulesForm, *, status: int = 200) -> HttpResponse:
    asked = TokenFilterForm(request.GET)
    asked.is_valid()  # what there is not is asked for as nothing
    kind, state = asked.cleaned_data.get("kind", ""), asked.cleaned_data.get("state", "")
    found = inventory.listed(actor=here.actor, at=here.at, kind=kind, state=state)
    owners = identity.names(one.owner for one in found[:SHOWN])
    told = defaultdict(list)
    for finding in findings(at=here.at):
        if finding.code in _FOUND:
            told[finding.subject].append(_FOUND[finding.code])
    rows = [
        {
            "one": one,
            "kind": _KINDS[one.kind],
            "owner": looks.Person(name=owners[one.owner], kind="service" if one.owner.startswith("svc_") else "person"),
            "state": _STATES[one.state(at=here.at)],
            "findings": told[one.id],
            "still_used": one.state(at=here.at) == "rotating" and pages.still_used(one.rotated_at, one.last_used_at),
        }
        for one in found[:SHOWN]
    ]
    context = {
        "rows": rows,
        "count": len(found),
        "filter": asked,
        "kind": kind,
        "state": state,
        "form": form,
        "rules": token_rules.current(),
        "may_choose": here.may(Permission.ORG_SETTINGS_MANAGE),
        "may_export": here.may(Permission.ORG_LEDGER_EXPORT),
    }
    return render(request, "projects/tokens.html", context, status=status)


@require_POST
def rules(request: HttpRequest) -> HttpResponse:
    """Choose how long client tokens may live."""
    here = visit(request)
    form = TokenRulesForm(request.POST)
    if form.is_valid():
        try:
            token_rules.choose(actor=here.actor, at=here.at, **form.cleaned_data)
        except Invalid as error:
            attach(form, error)
        else:
            messages.success(request, "Saved. Tokens that there are stay as they are.")
            return redirect("projects:tokens")
    return _listing(request, here, form, status=422)


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """The list as a file."""
    here = visit(request)
    wanted = {name: request.POST.get(name, "") for name in ("format", "kind", "state")}
    return as_response(inventory.export(actor=here.actor, at=here.at, **wanted))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: HttpRequest, project: str, token: str) -> HttpResponse:
    """The form of rotating a client token, and doing it: the answer shows the successor's text once."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_TOKENS_MANAGE, project)
    row, present = queries.project(project), queries.token(token)
    if project not in present.projects and "*" not in present.projects:
        raise NotFound("There is no such client token in this project.", remedy="Look at the project's list of tokens.")
    form = RotateForm(request.POST or None)
    steps = pages.crumbs(row, (f"Rotate “{present.name}”", ""))
    if request.method == "POST" and form.is_valid():
        overlap, reason = timedelta(hours=form.cleaned_data["overlap"]), form.cleaned_data["reason"]
        try:
            done = token_rotation.rotate_token(actor=here.actor, at=here.at, id=token, overlap=overlap, reason=reason)
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            made = {"project": row, "made": done.new, "old": done.predecessor, "steps": steps}
            return render(request, "projects/token_made.html", made)
    context = {"project": row, "form": form, "steps": steps, "title": f"Rotate “{present.name}”"}
    return render(request, "projects/token_rotate.html", context, status=422 if form.errors else 200)
