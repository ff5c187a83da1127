"""The playground: a form first, then which rule decided."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from ensign_engine import Ruleset

from ensign.control.kernel.errors import Invalid
from ensign.control.projects import pages, queries
from ensign.control.projects.forms import TextForm, attach
from ensign.control.projects.visits import visit
from ensign.control.publishing import playground


class ContextForm(TextForm):
    """Where, who, and which flag. Evaluated here and stored nowhere."""

    place = forms.ChoiceField(label="Environment")
    flag = forms.CharField(label="Flag", required=False, help_text="Empty: all flags.")
    properties = forms.CharField(
        label="Properties",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, such as country=SE.",
    )

    field_order = ("place", "flag", *playground.FIELDS, "properties")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in playground.FIELDS:
            self.fields[name] = forms.CharField(label=name, required=False)
        self.fields["currentTime"].help_text = "Such as 2026-12-24T18:00:00Z. Empty: now."
        self.order_fields(self.field_order)

    @property
    def who(self) -> list[forms.BoundField]:
        """The context's own fields, for the template."""
        return [self[name] for name in playground.FIELDS]


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """The form; a POST evaluates (it writes nothing, and keeps a person's attributes out of addresses and logs)."""
    here = visit(request)
    environments = queries.all_environments()
    visible = [p for p in queries.projects() if here.sees(p.key)]
    choices = [
        (p.name, [(f"{p.key}/{e.key}", f"{p.name}: {e.name}") for e in environments.get(p.key, [])]) for p in visible
    ]
    wanted = request.GET.get("project", visible[0].key if visible else "")
    last = [e.key for e in environments.get(wanted, [])][-1:]
    initial = {"place": f"{wanted}/{last[0]}" if last else "", "flag": request.GET.get("flag", "")}
    form = ContextForm(request.POST or None, initial=initial)
    form.fields["place"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
    context: dict[str, object] = {"form": form, "any": bool(visible)}
    if request.method == "POST" and form.is_valid():
        try:
            context |= _answers(form.cleaned_data)
        except Invalid as error:
            attach(form, error)
    return render(request, "publishing/playground.html", context, status=422 if form.errors else 200)


def _answers(values: dict[str, str]) -> dict[str, object]:
    project, _, environment = values["place"].partition("/")
    rules: Ruleset = playground.ruleset(project, environment)
    row = queries.environment(project, environment)
    given = playground.context(values, playground.properties(values["properties"]))
    flag = values["flag"].strip()
    found: dict[str, object] = {"project": project, "env": pages.environment(row)}
    if flag:
        return {**found, "explanation": playground.explain(rules, flag, given)}
    return {**found, "answers": playground.evaluate_all(rules, given), "asked": True}
