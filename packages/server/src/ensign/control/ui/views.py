"""The living style guide: every component with sample data. Served only while DEBUG is on."""

from typing import Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from ensign.control.ui import context, errors, looks, samples

PAGE: Final = 8


class SampleForm(forms.Form):
    """One field of each kind."""

    key = forms.CharField(
        label="Key",
        max_length=100,
        help_text="Letters, digits, dots, dashes and underscores. It can't be changed later.",
    )
    kind = forms.ChoiceField(
        label="Type", choices=[("release", "Release, 40 days"), ("kill", "Kill switch, permanent")]
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    stickiness = forms.ChoiceField(
        label="Same answer for the same",
        choices=[("userId", "Person (userId)"), ("sessionId", "Session")],
        widget=forms.RadioSelect,
    )
    watch = forms.BooleanField(
        label="Tell me when it changes", required=False, help_text="By the ways in your settings."
    )


def _only_in_debug() -> None:
    if not settings.DEBUG:
        raise Http404


def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component; the list of flags in it is filtered by ``q`` and ``state`` like a real one."""
    _only_in_debug()
    now = timezone.now()
    typed = request.GET.get("q", "")
    state = request.GET.get("state", "")
    rows = [row for row in samples.flag_rows(now=now) if typed in row["key"]]
    if state:
        rows = [row for row in rows if row["cells"][-1].state == state]
    filters = [looks.ActiveFilter(label=f"Key has “{typed}”", href="?")] if typed else []
    base = reverse("styleguide:index")
    nav = samples.navigation(base=base)
    request.ui_shell = looks.Shell(  # type: ignore[attr-defined]  # read back by context.shell
        nav=nav,
        person=samples.ADA,
        project="Web shop",
        projects=samples.projects(base=base),
        commands_url=reverse("styleguide:commands"),
        shortcuts=context.shortcuts(nav),
    )
    if request.GET.get("message"):
        messages.success(request, "The flag new-checkout was created in all three environments, off.")
        messages.error(request, "The request was not applied: production was frozen until Monday 06:00 UTC.")
    wrong = SampleForm({"key": "new checkout!", "kind": "release"}, auto_id="wrong_%s")
    wrong.add_error("key", "A key can't hold spaces or “!”. Try new-checkout.")
    return render(
        request,
        "ui/styleguide.html",
        {
            "form": SampleForm(),
            "wrong": wrong,
            "typed": typed,
            "state": state,
            "filters": filters,
            "rows": rows[:PAGE],
            "page": looks.Pager(shown=min(PAGE, len(rows)), total=len(rows), noun="flags", older="?after=8"),
            **samples.everything(now=now, base=base),
        },
    )


def styleguide_error(request: HttpRequest, status: int) -> HttpResponse:
    """An error page as it looks."""
    _only_in_debug()
    if status == 500:
        return errors.server_error(request)
    if status not in errors.WRONGS:
        raise Http404
    return errors.error_page(request, status=status)


def styleguide_commands(request: HttpRequest) -> JsonResponse:
    """What the command menu finds: the sample flags whose key holds ``q``."""
    _only_in_debug()
    typed = request.GET.get("q", "")
    found = [row for row in samples.flag_rows(now=timezone.now()) if typed in row["key"]]
    items = [{"label": row["key"], "kind": "Flag", "href": f"{reverse('styleguide:index')}#tables"} for row in found]
    return JsonResponse({"items": items[:PAGE]})
