"""Pages of flags: the list, one flag with its environments side by side, and the strategy editor."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ensign.control.access.domain import TIERS
from ensign.control.access.permissions import Permission
from ensign.control.flags import beside, detail, editor, forms, listing, operations, pages, queries
from ensign.control.flags import strategies as types
from ensign.control.flags.domain import LIFETIMES
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import attach
from ensign.control.projects.policies import policies, strictest
from ensign.control.projects.visits import visit
from ensign.control.segments import editor as conditions
from ensign.control.segments import queries as segments
from ensign.control.ui import looks


@require_safe
def index(request: HttpRequest, project: str) -> HttpResponse:
    """The flags of a project, a column for every environment; the filters are the address."""
    here = visit(request, project=project)
    row = projects.project(project)
    places = project_pages.places(project)
    filters = _filters(request.GET, [place.row.key for place in places])
    found = listing.read(filters, at=here.at, project=project, after=request.GET.get("after", ""))
    rows = pages.rows_html(found.rows, project=project, places=places, waiting=beside.waiting(project))
    kept = {name: str(value) for name, value in request.GET.items() if name != "after"}
    context = {
        "project": row,
        "steps": project_pages.crumbs(row, ("Flags", "")),
        "places": places,
        "rows": rows,
        "filters": filters,
        "active": _active(filters, kept),
        "types": LIFETIMES,
        "tiers": TIERS,
        "tags": listing.tags(project),
        "pager": looks.Pager(
            shown=len(found.rows),
            noun="flags",
            total=found.total,
            older="?" + urlencode({**kept, "after": found.after}) if found.after else "",
        ),
        "may_create": here.may_for_some(Permission.FLAG_CREATE, project),
        "narrowed": filters != listing.Filters(),
    }
    return render(request, "flags/list.html", context)


def _filters(query: Mapping[str, str], environments: list[str]) -> listing.Filters:
    on, off = query.get("on", ""), query.get("off", "")
    kind = query.get("type", "")
    return listing.Filters(
        text=query.get("q", "").strip()[:200],
        type=kind if kind in LIFETIMES else "",
        tier=tier if (tier := query.get("tier", "")) in TIERS else "",
        tag=query.get("tag", "")[:50],
        on=on if on in environments else "",
        off=off if off in environments else "",
        stale=query.get("stale") == "1",
        archived=query.get("archived") == "1",
    )


def _active(filters: listing.Filters, kept: Mapping[str, str]) -> list[looks.ActiveFilter]:
    labels = {
        "q": filters.text and f"Has “{filters.text}”",
        "type": filters.type and f"Type {filters.type}",
        "tier": filters.tier and f"Risk tier {filters.tier}",
        "tag": filters.tag and f"Tag {filters.tag}",
        "on": filters.on and f"On in {filters.on}",
        "off": filters.off and f"Off in {filters.off}",
        "stale": "Stale" if filters.stale else "",
        "archived": "Archived" if filters.archived else "",
    }
    return [
        looks.ActiveFilter(label=label, href="?" + urlencode({n: v for n, v in kept.items() if n != name and v}))
        for name, label in labels.items()
        if label
    ]


@require_safe
def across(request: HttpRequest) -> HttpResponse:
    """Flags of every project that the visitor may read, found by key or words."""
    here = visit(request)
    text = request.GET.get("q", "").strip()[:200]
    found = listing.read(listing.Filters(text=text), at=here.at)
    rows = [row for row in found.rows if here.sees(row.info.project)]
    return render(request, "flags/across.html", {"rows": rows, "text": text})


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, project: str) -> HttpResponse:
    """The form of a new flag, and making it."""
    here = visit(request, project=project)
    row = projects.project(project)
    form = forms.FlagForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        try:
            made = operations.create_flag(
                actor=here.actor, at=here.at, project=project, **values | {"tags": values["tags"].split(",")}
            )
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            messages.success(request, f"{made.info.key} was made. It is off everywhere.")
            return redirect("flags:detail", project=project, flag=made.info.key)
    steps = project_pages.crumbs(row, ("Flags", reverse("flags:list", kwargs={"project": project})), ("New flag", ""))
    context = {"project": row, "form": form, "steps": steps}
    return render(request, "flags/new.html", context, status=422 if form.errors else 200)


@require_safe
def show(request: HttpRequest, project: str, flag: str) -> HttpResponse:
    """One flag: all environments side by side, as they are and with what waits."""
    here = visit(request, project=project)
    return render(request, "flags/detail.html", detail.context(here, project=project, flag=flag))


@require_http_methods(["GET", "HEAD", "POST"])
def update(request: HttpRequest, project: str, flag: str) -> HttpResponse:
    """Change what people read of a flag."""
    here = visit(request, project=project)
    info = _of_project(project, flag).info
    owners = [(person.id, person.name or person.email) for person in identity.people(status="active")]
    if info.owner and info.owner not in dict(owners):
        owners.append((info.owner, identity.names([info.owner])[info.owner]))
    initial = {
        "type": info.type,
        "description": info.description,
        "owner": info.owner,
        "tags": ", ".join(info.tags),
        "expected_removal_on": info.expected_removal_on,
        "tier": info.tier,
    }
    asks = ""
    form = forms.InfoForm(request.POST or None, owners=owners, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        try:
            operations.update_flag(
                actor=here.actor, at=here.at, key=flag, **values | {"tags": values["tags"].split(",")}
            )
        except (Invalid, Conflict) as error:
            attach(form, error)
            asks = strictest(policies(project).values()).environment if error.code == "policy-asks" else ""
        else:
            messages.success(request, "Saved.")
            return redirect("flags:detail", project=project, flag=flag)
    steps = detail.steps(projects.project(project), flag, "Describe")
    context = {"project": projects.project(project), "flag": info, "form": form, "steps": steps, "asks": asks}
    return render(request, "flags/update.html", context, status=422 if form.errors else 200)


def _of_project(project: str, flag: str) -> queries.FlagRow:
    row = queries.flag(flag)
    if row.info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    return row


@require_http_methods(["GET", "HEAD", "POST"])
def strategy(request: HttpRequest, project: str, flag: str, environment: str, strategy: str = "") -> HttpResponse:
    """The editor of a strategy, new or stored; what the reader's own draft holds of it already is where they go on.

    A POST here only reshapes the form (one more condition, one variant less); what is edited is posted to the draft
    of ``changes``.
    """
    here = visit(request, project=project)
    if request.method == "POST":
        form = editor.typed(request.POST, segments=request.POST.getlist("segment"), act=request.POST.get("act", ""))
        return editor_page(request, project=project, flag=flag, environment=environment, form=form)
    _of_project(project, flag)
    if not strategy:
        stickiness = projects.project(project).default_stickiness
        form = editor.fresh(request.GET.get("type", "flexibleRollout"), flag=flag, stickiness=stickiness)
    else:
        stored = editor.strategy_of(queries.config(flag, environment).config, strategy)
        config = beside.drafted(here.actor, project=project, environment=environment, flag=flag)
        shown = stored if config is None else editor.strategy_of(config, strategy)
        if shown is None:
            raise NotFound(
                "There is no such strategy here.",
                remedy="Look at the flag and at your draft: it may have been removed.",
            )
        form = editor.stored(shown, drafted=shown != stored)
    return editor_page(request, project=project, flag=flag, environment=environment, form=form)


def editor_page(
    request: HttpRequest, *, project: str, flag: str, environment: str, form: editor.Editor, status: int = 200
) -> HttpResponse:
    """The page of the strategy editor. ``changes`` answers with it, too, when a draft is refused::

    form = editor.typed(request.POST, segments=request.POST.getlist("segment"), errors=error.fields)
    return editor_page(request, project=…, flag=…, environment=…, form=form, status=422)
    """
    row = projects.project(project)
    place = next((p for p in project_pages.places(project) if p.row.key == environment), None)
    if place is None:
        raise NotFound(f"There is no environment “{environment[:100]}” in the project “{project[:100]}”.")
    defined = {c.segment for c in segments.configs(project, environment)}
    context = {
        "project": row,
        "flag": _of_project(project, flag).info,
        "place": place,
        "form": form,
        "steps": detail.steps(row, flag, "Edit a strategy" if form.strategy else "New strategy"),
        "types": [t for t in types.TYPES.values() if t.offered or t is form.type],
        "operators": conditions.grouped_operators(),
        "fields": conditions.FIELDS,
        "payloads": ("string", "json", "csv", "number"),
        "segments": [(s.info, s.info.key in defined) for s in segments.segments(project)],
        "draft": pages.draft_address(project, environment),
        "here": reverse("flags:strategy-new", kwargs={"project": project, "flag": flag, "environment": environment}),
    }
    return render(request, "flags/editor.html", context, status=status)
