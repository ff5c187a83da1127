"""Pages of a person's own: the inbox, how they are told by e-mail, and the tickets of a request with their status."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes import queries as changes
from ensign.control.integrations import inbox as notices
from ensign.control.integrations import mailing, ticket_status
from ensign.control.integrations import preferences as choices
from ensign.control.integrations.domain.preferences import MAILS
from ensign.control.integrations.domain.table import TOPIC_NAMES, TOPIC_WORDS, Topic
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import visit
from ensign.control.ui import looks

_LIMIT = 50
_TONES = {"urgent": ("Urgent", "bad", "siren"), "needs": ("Needs you", "warn", "warning"), "info": ("", "", "")}
_ICONS = {
    Topic.REVIEW: "request", Topic.MINE: "request", Topic.TALK: "comment", Topic.RELEASE: "rollout",
    Topic.EMERGENCY: "siren", Topic.GUARD: "shield", Topic.POLICY: "lock", Topic.ACCESS: "people",
    Topic.INTEGRATION: "link",
}  # fmt: skip


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """What the visitor is to know of, newest first; filters are in the address."""
    here = visit(request)
    show = "all" if request.GET.get("show") == "all" else "unread"
    topic = request.GET.get("topic", "")
    topic = topic if topic in set(Topic) else ""
    before = request.GET.get("before", "")
    found = notices.lines(
        here.held,
        at=here.at,
        unread=show == "unread",
        topic=topic,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        limit=_LIMIT + 1,
    )

    def link(**more: str) -> str:
        query = {"show": show, "topic": topic, **more}
        return "?" + urlencode({name: value for name, value in query.items() if value})

    lines = [
        {
            "line": one,
            "href": reverse("integrations:notice", kwargs={"notice": one.id}),
            "icon": _ICONS[Topic(one.topic)],
            # What somebody else has settled meanwhile does not need the reader any more.
            "over": one.message.over if one.message is not None and one.urgency == "needs" else "",
            "mark": _TONES[one.urgency],
            "topic": TOPIC_NAMES[Topic(one.topic)],
        }
        for one in found[:_LIMIT]
    ]
    context = {
        "lines": lines,
        "show": show,
        "topic": topic,
        "choices": [
            looks.Choice(label="Unread", href=link(show="unread"), current=show == "unread"),
            looks.Choice(label="All", href=link(show="all"), current=show == "all"),
        ],
        "topics": [
            looks.Choice(label="Everything", href=link(topic=""), current=not topic),
            *(looks.Choice(label=TOPIC_NAMES[one], href=link(topic=str(one)), current=topic == one) for one in Topic),
        ],
        "pager": looks.Pager(
            shown=len(lines), noun="notices", newer="",
            older=link(before=str(found[_LIMIT - 1].id)) if len(found) > _LIMIT else "",
        ),
        "here": request.get_full_path(),
    }  # fmt: skip
    return render(request, "integrations/inbox.html", context)


@require_POST
def mark(request: HttpRequest) -> HttpResponse:
    """Mark one notice, or all, as read; one as unread."""
    here = visit(request)
    wanted = request.POST.get("notice", "")
    if not wanted:
        count = notices.mark(here.held, at=here.at)
        messages.success(request, f"{count} marked as read." if count else "There was nothing unread.")
    elif wanted.isascii() and wanted.isdigit() and len(wanted) < 18:
        notices.mark(here.held, at=here.at, ids=[int(wanted)], read=request.POST.get("act") != "unread")
    else:
        raise Invalid("There is no such notice.", remedy="Look at your inbox.")
    query = urlencode({name: request.POST[name] for name in ("show", "topic") if request.POST.get(name)})
    return redirect(reverse("integrations:inbox") + (f"?{query}" if query else ""))


@require_safe
def open_notice(request: HttpRequest, notice: int) -> HttpResponse:
    """Go where a notice leads; it counts as read then."""
    here = visit(request)
    found = notices.line(here.held, notice, at=here.at)
    if request.method == "GET" and not found.read:
        notices.mark(here.held, at=here.at, ids=[found.id])
    if found.message is None:
        messages.success(request, "That was put right since.")
        return redirect("integrations:inbox")
    _, _, path = found.message.url.partition("://")
    return redirect("/" + path.partition("/")[2])


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """How the visitor is told by e-mail, by topic."""
    here = visit(request)
    if request.method == "POST":
        wanted = {str(topic): request.POST[topic] for topic in Topic if topic in request.POST}
        choices.choose(actor=here.actor, wanted=wanted)
        messages.success(request, "Kept. It counts from the next notice on.")
        return redirect("integrations:preferences")
    chosen = choices.of(here.actor.id)
    words = {"now": "At once", "digest": "Once a day", "never": "Never"}
    rows = [
        {
            "topic": str(topic),
            "words": TOPIC_WORDS[topic],
            "ways": [{"value": way, "label": words[way], "chosen": chosen[topic] == way} for way in MAILS],
        }
        for topic in Topic
    ]
    return render(
        request, "integrations/preferences.html", {"rows": rows, "configured": mailing.configured(), "ways": words}
    )


@require_safe
def tickets(request: HttpRequest, id: str) -> HttpResponse:
    """The tickets of a request with their status: a part of its page, which asks for it when it is there."""
    here = visit(request)
    row = changes.request(id, reader=here.actor.id)
    here.require(Permission.PROJECT_READ, row.request.project)
    found = ticket_status.seen(row.request.project, row.request.tickets, at=here.at)
    context = {"seen": found, "now": here.at, "project": projects.project(row.request.project)}
    response = render(request, "integrations/_tickets.html", context)
    response["Cache-Control"] = "no-store"
    return response
