"""The page about joiners and movers."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_POST

from ensign.control.access.permissions import Permission
from ensign.control.access.views.common import open_page, shown, tabs
from ensign.control.identity.web import add_errors, form_page
from ensign.control.kernel.errors import EnsignError
from ensign.control.scim import movements
from ensign.control.scim.forms import PeriodForm, midnight
from ensign.control.scim.pages import period_csv

EVENTS = {"joined": "Joined", "returned": "Came back", "moved": "Moved"}
WAYS = {
    "set-up": "set this installation up",
    "invitation": "by an invitation",
    "identity-provider": "through an identity provider",
    "directory": "by the directory",
    "reactivation": "was reactivated",
}
WORDS = {movements.KEPT_ALL: "Keeps all former roles"}


@require_GET
def movement_report(request: HttpRequest) -> HttpResponse:
    """Who came and who moved in a period, with who asked, who approved and since when."""
    holds, at = open_page(request, Permission.ORG_SCIM_MANAGE, Permission.ORG_LEDGER_READ)
    first = (at - timedelta(days=90)).date()
    form = PeriodForm(request.GET or None, initial={"since": first, "until": at.date()})
    since, until = midnight(first), midnight(at.date() + timedelta(days=1))
    if form.is_bound and form.is_valid():
        since, until = form.period()
    made, status = None, 200
    try:
        made = movements.report(since=since, until=until, at=at)
    except EnsignError as error:
        status = add_errors(form, error) if form.is_bound else 422
    rows = [] if made is None else made.rows
    people = shown({id for one in rows for id in (one.requested_by, *one.approved_by) if id})
    context = {
        "report": made,
        "rows": [
            {
                "one": one,
                "event": EVENTS[one.event],
                "way": WAYS.get(one.way, ""),
                "by": people.get(one.requested_by),
                "approved": [people[id] for id in one.approved_by],
                "words": [WORDS[code] for code in one.exceptions],
            }
            for one in rows
        ],
        "may_export": holds.allows(Permission.ORG_LEDGER_EXPORT),
        "tabs": tabs("People"),
    }
    return form_page(request, "scim/movements.html", form, status=status, **context)


@require_POST
def export_movements(request: HttpRequest) -> HttpResponse:
    """The report as CSV; the export is an entry."""
    return period_csv(request, name="movements", export=movements.export)
