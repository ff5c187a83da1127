"""How far a publication has come: the part of a page that asks again by itself."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ensign.control.identity.middleware import background
from ensign.control.kernel.errors import NotFound
from ensign.control.projects.visits import visit
from ensign.control.publishing import reach_pages, reach_rows
from ensign.control.publishing.models import Revision


@background
@require_safe
def publication(request: HttpRequest, project: str, environment: str, number: int) -> HttpResponse:
    """One publication of one environment."""
    here = visit(request, project=project)
    place = (project, environment, number)
    known = number < 2**63 and Revision.objects.filter(
        project=project, environment=environment, number=number
    ).exists()  # fmt: skip
    if not known:
        raise NotFound("There is no such publication here.")
    view = reach_rows.of_publications([place], at=here.at)[place]
    where = environment if request.GET.get("where") == "1" else ""
    shown = reach_pages.of_view(view, at=here.at, where=where) or reach_pages.unknown(view, where=where)
    return render(request, "publishing/_reach.html", {"reach": shown})
