"""One's own approval keys: the passkeys with which one signs approvals."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from ensign.control.identity import factors, webauthn
from ensign.control.identity.adapters import relying_party
from ensign.control.identity.approval_keys import operations, queries
from ensign.control.identity.approval_keys.queries import KeyView
from ensign.control.identity.domain import FactorView
from ensign.control.identity.views.account import tabs
from ensign.control.identity.web import SeeOther, next_address, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid, NeedsMfa, NotFound


@dataclass(frozen=True, slots=True)
class Line:
    """A passkey of the reader, and the approval key that it is."""

    passkey: FactorView
    key: KeyView | None


@never_cache
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Which passkeys are approval keys, which could be, and which were."""
    return _overview(request)


def _overview(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    actor, at = signed_in(request), clock.now()
    keys = queries.of_person(actor.id)
    names = {row.id: row.name for row in factors.factors_of(actor.id) if row.kind == "webauthn"}
    here = {key.factor: key for key in keys if key.active}
    context = {
        "lines": [Line(row, here.get(row.id)) for row in factors.factors_of(actor.id) if row.kind == "webauthn"],
        "ended": [(key, names.get(key.factor, "a passkey that was removed")) for key in keys if not key.active],
        "origin": webauthn.origin(),
        "host": relying_party(),
        "recent": actor.recent_mfa(at=at),
        "problem": problem,
        "next": next_address(request, default=""),
        "tabs": tabs("Approval keys"),
    }
    return render(request, "identity/approval_keys.html", context, status=status)


@never_cache
@require_POST
def question(request: HttpRequest, factor_id: int) -> JsonResponse:
    """The question that a passkey answers to become an approval key."""
    actor = signed_in(request)
    try:
        return JsonResponse(operations.ask_to_enrol(actor=actor, at=clock.now(), factor_id=factor_id))
    except (NeedsMfa, Conflict, Invalid, NotFound) as error:
        said = {"message": f"{error.message} {error.remedy}".strip()}
        return JsonResponse(said, status=_status(error))


@require_POST
def enrol(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Make a passkey an approval key, by its answer."""
    actor, at = signed_in(request), clock.now()
    if not actor.recent_mfa(at=at):
        return _step_up()
    try:
        operations.enrol(actor=actor, at=at, factor_id=factor_id, answer=request.POST.get("answer", ""))
    except (Conflict, Invalid, Denied) as error:
        return _overview(request, problem=f"{error.message} {error.remedy}".strip(), status=_status(error))
    messages.success(request, "This passkey is an approval key now: with it you sign what you approve.")
    return SeeOther(next_address(request, default=reverse("identity:approval-keys")))


@require_POST
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    """End one of one's own approval keys."""
    actor, at = signed_in(request), clock.now()
    if not actor.recent_mfa(at=at):
        return _step_up()
    operations.revoke(actor=actor, at=at, key_id=key_id)
    messages.success(request, "Revoked. What it signed and has not applied yet needs a new approval.")
    return SeeOther(reverse("identity:approval-keys"))


def _status(error: EnsignError) -> int:
    if isinstance(error, Denied):
        return 403
    return 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 422


def _step_up() -> HttpResponse:
    return redirect(f"{reverse('identity:confirm')}?next={reverse('identity:approval-keys')}")
