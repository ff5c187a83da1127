"""The question that a reviewer's passkey signs, for the page of a request."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from ensign.control.access.permissions import Permission
from ensign.control.changes import queries, signing
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects.visits import visit


@never_cache
@require_POST
def question(request: HttpRequest, id: str) -> JsonResponse:
    """Options for the browser; digest and round of what the page shows are in the address."""
    here = visit(request)
    row = queries.request(id, reader=here.actor.id)
    here.require(Permission.PROJECT_READ, row.request.project)
    round_ = request.GET.get("round", "")
    try:
        if not round_.isdecimal() or len(round_) > 9:
            raise Invalid("The address names no round.", remedy="Reload the page and try again.")
        asked = signing.ask(
            actor=here.actor, at=here.at, request_id=id, digest=request.GET.get("digest", ""), round=int(round_)
        )
    except (Conflict, Invalid) as error:
        said = {"message": f"{error.message} {error.remedy}".strip()}
        return JsonResponse(said, status=409 if isinstance(error, Conflict) else 422)
    return JsonResponse(asked)
