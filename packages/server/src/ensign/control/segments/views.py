"""Pages of segments: the list, one segment with its environments side by side, and the editor of its conditions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import TextForm, attach
from ensign.control.projects.visits import visit
from ensign.control.segments import editor, operations, pages, queries
from ensign.control.ui import looks


class SegmentForm(TextForm):
    """A new segment."""

    name = forms.CharField(label="Name", max_length=200, help_text="Whom it means, such as “Customers in the Nordics”.")
    key = forms.CharField(label="Key", max_length=200, help_text="Can't be changed: letters, digits, hyphens.")
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))


class DescribeForm(TextForm):
    """What people read of a segment."""

    name = forms.CharField(label="Name", max_length=200)
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))


def _steps(project: projects.ProjectRow, *more: tuple[str, str]) -> list[looks.Crumb]:
    segments = ("Segments", reverse("segments:list", kwargs={"project": project.key}) if more else "")
    return project_pages.crumbs(project, segments, *more)


@require_safe
def index(request: HttpRequest, project: str) -> HttpResponse:
    """The segments of a project, a column for every environment."""
    here = visit(request, project=project)
    row = projects.project(project)
    places = project_pages.places(project)
    configs = {(c.segment, c.environment): c.config for c in queries.configs(project)}
    text = request.GET.get("q", "").strip()[:200]
    found = [s for s in queries.segments(project) if text.lower() in f"{s.info.key} {s.info.name}".lower()]
    rows = [
        {
            "info": s.info,
            "cells": [(p.look, pages.summary(configs.get((s.info.key, p.row.key)))) for p in places],
        }
        for s in found
    ]
    context = {
        "project": row,
        "steps": _steps(row),
        "places": places,
        "rows": rows,
        "text": text,
        "may_create": here.may(Permission.SEGMENT_CREATE, project),
    }
    return render(request, "segments/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, project: str) -> HttpResponse:
    """The form of a new segment, and making it."""
    here = visit(request, project=project)
    row = projects.project(project)
    form = SegmentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = operations.create_segment(actor=here.actor, at=here.at, project=project, **form.cleaned_data)
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            messages.success(request, "The segment was made. Define it in an environment before a flag refers to it.")
            return redirect("segments:detail", project=project, segment=made.info.key)
    context = {"project": row, "form": form, "steps": _steps(row, ("New segment", ""))}
    return render(request, "segments/new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, project: str, segment: str) -> HttpResponse:
    """One segment: its conditions in every environment; a POST changes its name and description."""
    here = visit(request, project=project)
    row = queries.segment(project, segment)
    form = DescribeForm(request.POST or None, initial={"name": row.info.name, "description": row.info.description})
    if request.method == "POST" and form.is_valid():
        try:
            operations.update_segment(actor=here.actor, at=here.at, project=project, key=segment, **form.cleaned_data)
        except Invalid as error:
            attach(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("segments:detail", project=project, segment=segment)
    of = projects.project(project)
    configs = queries.configs_of(project, segment)
    columns: list[dict[str, Any]] = [
        {
            "place": place,
            "rules": pages.rules(configs[place.row.key].config) if place.row.key in configs else None,
            "may_draft": all(
                here.may(one, project, place.row.key) for one in (Permission.CHANGE_DRAFT, Permission.CHANGE_SEGMENTS)
            ),
        }
        for place in project_pages.places(project)
    ]
    # What is said of it in every environment goes into the draft of the one that asks for most.
    strictest = max(columns, key=lambda c: (c["place"].policy.approvals, c["place"].row.protected))
    context = {
        "project": of,
        "segment": row.info,
        "id": row.id,
        "columns": columns,
        "map_draft": f"/projects/{project}/environments/{strictest['place'].row.key}/draft"
        if strictest["may_draft"]
        else "",
        "form": form,
        "steps": _steps(of, (row.info.name, "")),
        "may_update": here.may(Permission.SEGMENT_UPDATE, project),
    }
    return render(request, "segments/detail.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, project: str, segment: str, environment: str) -> HttpResponse:
    """The editor of a segment's conditions in one environment. A POST here only reshapes the form; what is edited is
    posted to the draft of ``changes`` as ``operation=segment.set``, ``segment`` and the conditions.
    """
    visit(request, project=project)
    if request.method == "POST":
        rows = editor.condition_rows(request.POST, act=request.POST.get("act", ""))
    else:
        rows = editor.conditions(queries.config(project, environment, segment).config.constraints)
        rows = rows or [editor.ConditionRow(n=0)]
    return editor_page(request, project=project, segment=segment, environment=environment, rows=rows)


def editor_page(
    request: HttpRequest,
    *,
    project: str,
    segment: str,
    environment: str,
    rows: list[editor.ConditionRow],
    errors: tuple[str, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """The page of the editor. ``changes`` answers with it, too, when a draft is refused::

    rows, errors = editor.typed(request.POST, errors=error.fields)
    return editor_page(request, …, rows=rows, errors=errors, status=422)
    """
    place = next((p for p in project_pages.places(project) if p.row.key == environment), None)
    if place is None:
        raise NotFound(f"There is no environment “{environment[:100]}” in the project “{project[:100]}”.")
    of, info = projects.project(project), queries.segment(project, segment).info
    address = {"project": project, "segment": segment}
    context = {
        "project": of,
        "segment": info,
        "place": place,
        "rows": rows,
        "errors": errors,
        "operators": editor.grouped_operators(),
        "fields": editor.FIELDS,
        "steps": _steps(of, (info.name, reverse("segments:detail", kwargs=address)), ("Edit", "")),
        "draft": f"/projects/{project}/environments/{environment}/draft",
        "here": reverse("segments:edit", kwargs={**address, "environment": environment}),
    }
    return render(request, "segments/editor.html", context, status=status)
