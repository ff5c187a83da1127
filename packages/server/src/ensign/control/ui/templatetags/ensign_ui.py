"""The components as template tags; ``{% load ensign_ui %}``. The style guide shows each of them.

Tags that show a row take one of the frozen types in ``ensign.control.ui.looks``. Tags that end in
``{% end… %}`` wrap what stands between.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect
from django.template import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ensign.control.ui import looks

register = template.Library()


@register.simple_tag
def icon(name: str, size: str = "", label: str = "") -> SafeString:
    """An icon of the sprite. Silent, because a word stands beside it; ``label`` names it where none can.

    ``size`` is "", "sm" or "lg".
    """
    classes = f"icon icon-{size}" if size else "icon"
    href = f"{static('vendor/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', classes, label, href)
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', classes, href)


@register.simple_tag(takes_context=True)
def hx(context: Context) -> SafeString:
    """The nonce that every element with an ``hx-`` request attribute must carry, else htmx ignores it."""
    request = context.get("request")
    nonce = getattr(request, "csp_nonce", "")
    return format_html('hx-nonce="{}"', nonce)


# --- Time, people, keys -------------------------------------------------------------------------------


def exact(at: datetime) -> str:
    """A moment in full: "2026-11-22 19:13:04 UTC"."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def relative(at: datetime, now: datetime) -> str:
    """A moment as people say it. The script in times.js says it in the same words."""
    seconds = int((now - at).total_seconds())
    ahead, seconds = seconds < 0, abs(seconds)
    if seconds < 45:
        return "in a moment" if ahead else "just now"
    for limit, size, unit in ((2700, 60, "min"), (79200, 3600, "h"), (2592000, 86400, "d")):
        if seconds < limit:
            count = max(1, seconds // size)
            return f"in {count} {unit}" if ahead else f"{count} {unit} ago"
    day = at.astimezone(UTC)
    return f"{day.day} {day.strftime('%b %Y')}"


@register.inclusion_tag("ui/components/moment.html")
def moment(at: datetime, copy: bool = False) -> dict[str, Any]:
    """Relative time; the exact UTC time on hover, when printed and when copied; ``copy`` adds a button."""
    return {
        "iso": at.astimezone(UTC).isoformat(timespec="seconds"),
        "exact": exact(at),
        "text": relative(at, timezone.now()),
        "copy": copy,
    }


@register.inclusion_tag("ui/components/person.html")
def person(who: looks.Person | None, detail: bool = False) -> dict[str, Any]:
    """A person, service account or Ensign itself; ``detail`` shows the second line's words, too."""
    return {"who": who, "detail": detail}


@register.inclusion_tag("ui/components/copyable.html")
def copyable(value: str, label: str = "", block: bool = False) -> dict[str, Any]:
    """A value to copy: a key, a digest, a command (``block``). ``label`` says what is copied."""
    return {"value": value, "label": label or value, "block": block}


# --- States -------------------------------------------------------------------------------------------


@register.inclusion_tag("ui/components/environment.html")
def environment(env: looks.Environment) -> dict[str, Any]:
    """An environment's chip: its colour, its name, and a lock when it is protected."""
    return {"env": env}


@register.inclusion_tag("ui/components/environment_band.html")
def environment_band(env: looks.Environment, act: str = "") -> dict[str, Any]:
    """The band over a page that can change something in an environment."""
    return {"env": env, "act": act}


@register.inclusion_tag("ui/components/badge.html")
def badge(word: str, tone: str = "calm", icon_name: str = "") -> dict[str, Any]:
    """A word with a tone and, best, an icon."""
    return {"word": word, "tone": looks.Tone(tone), "icon_name": icon_name}


@register.inclusion_tag("ui/components/badge.html")
def request_status(state: str) -> dict[str, Any]:
    """The badge of a change request's state, one of looks.REQUEST_STATUSES."""
    status = looks.REQUEST_STATUSES[str(state)]
    return {"word": status.word, "tone": status.tone, "icon_name": status.icon}


@register.inclusion_tag("ui/components/flag_state.html")
def flag_state(state: looks.FlagState) -> dict[str, Any]:
    """A flag in one environment: on or off in words, the share with a bar, and what waits."""
    return {"state": state}


@register.inclusion_tag("ui/components/progress.html")
def progress(done: int, total: int, noun: str) -> dict[str, Any]:
    """How far something is, with the count."""
    return {"done": done, "total": total, "noun": noun}


# --- Lists and navigation -----------------------------------------------------------------------------


@register.inclusion_tag("ui/components/crumbs.html")
def crumbs(steps: Sequence[looks.Crumb]) -> dict[str, Any]:
    """The way to this page."""
    return {"steps": steps}


@register.simple_block_tag
def page_header(
    content: str,
    title: str,
    steps: Sequence[looks.Crumb] = (),
    env: looks.Environment | None = None,
    lead: str = "",
    mono: bool = False,
    aside: str = "",
) -> SafeString:
    """The head of a page. Between the tags: its actions, the primary one last. ``mono``: the title is a key."""
    values = {"title": title, "steps": steps, "env": env, "lead": lead, "mono": mono, "actions": content}
    return render_to_string("ui/components/page_header.html", {**values, "aside": aside})


@register.inclusion_tag("ui/components/tabs.html")
def tabs(choices: Sequence[looks.Choice], label: str) -> dict[str, Any]:
    """Tabs that are pages: links, so that each has an address."""
    return {"choices": choices, "label": label}


@register.inclusion_tag("ui/components/segmented.html")
def segmented(choices: Sequence[looks.Choice], label: str) -> dict[str, Any]:
    """One of a few, as links."""
    return {"choices": choices, "label": label}


@register.inclusion_tag("ui/components/pager.html")
def pager(page: looks.Pager) -> dict[str, Any]:
    """What is shown, and the way to newer and older."""
    return {"page": page}


@register.inclusion_tag("ui/components/active_filters.html")
def active_filters(filters: Sequence[looks.ActiveFilter], clear: str = "") -> dict[str, Any]:
    """The filters in force, each with a way out; ``clear`` is the address without any."""
    return {"filters": filters, "clear": clear}


@register.simple_block_tag(takes_context=True)
def filter_bar(context: Context, content: str, target: str, label: str, action: str = "") -> SafeString:
    """A GET form whose state is the address. It swaps ``target`` (an id) as one types; without JavaScript
    it has a button. Between the tags: its fields."""
    values = {"content": content, "target": target, "label": label, "action": action, "hx": hx(context)}
    return render_to_string("ui/components/filter_bar.html", values)


@register.simple_block_tag
def empty_state(content: str, title: str, icon_name: str = "info", text: str = "") -> SafeString:
    """What could be here and how to begin. Between the tags: the first act."""
    values = {"content": content, "title": title, "icon_name": icon_name, "text": text}
    return render_to_string("ui/components/empty_state.html", values)


@register.simple_block_tag
def callout(content: str, tone: str = "info", title: str = "", role: str = "") -> SafeString:
    """A remark with weight. ``role`` is "alert" for what must be heard at once, "status" for what may wait."""
    values = {"content": content, "tone": looks.Tone(tone), "title": title, "role": role}
    return render_to_string("ui/components/callout.html", values)


@register.simple_block_tag
def panel(content: str, title: str, level: int = 2, id: str = "") -> SafeString:
    """A titled surface."""
    return render_to_string("ui/components/panel.html", {"content": content, "title": title, "level": level, "id": id})


# --- Forms and dialogs --------------------------------------------------------------------------------


@register.inclusion_tag("ui/components/field.html")
def field(bound: BoundField, mono: bool = False) -> dict[str, Any]:
    """A form field with label, help and error, tied together for screen readers; keeps what was typed."""
    widget = bound.field.widget
    ids = [f"{bound.auto_id}_error"] if bound.errors else []
    ids += [f"{bound.auto_id}_helptext"] if bound.help_text else []
    attrs: dict[str, str | bool] = {"aria-describedby": " ".join(ids)} if ids else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    check, radio = isinstance(widget, CheckboxInput), isinstance(widget, RadioSelect)
    if not check and not radio:
        attrs["class"] = f"input {'input-mono' if mono else ''} {widget.attrs.get('class', '')}".strip()
    return {"bound": bound, "control": bound.as_widget(attrs=attrs), "check": check, "radio": radio}


@register.inclusion_tag("ui/components/rollout.html")
def rollout(name: str, value: int, label: str = "Rollout", help: str = "", error: str = "") -> dict[str, Any]:
    """Per cent as a slider and as a number; only the number is sent. Works as a plain number field."""
    return {"name": name, "value": value, "label": label, "help": help, "error": error}


@register.simple_block_tag
def dialog(content: str, id: str, title: str) -> SafeString:
    """A modal dialog, opened by ``<button data-dialog="its id">``. Without JavaScript its content stands
    in the page as a section, so nothing is out of reach."""
    return render_to_string("ui/components/dialog.html", {"content": content, "id": id, "title": title})


@register.inclusion_tag("ui/components/confirm.html", takes_context=True)
def confirm(
    context: Context,
    id: str,
    title: str,
    act: str,
    action: str,
    project: str,
    env: looks.Environment,
    subject: str,
    blast: str,
    danger: bool = True,
    reason: bool = False,
) -> dict[str, Any]:
    """A dangerous act's one confirmation. It repeats project, environment and blast radius; ``act`` is the
    button ("Switch off in production"); ``reason`` asks why; the form posts to ``action``."""
    return {
        "id": id, "title": title, "act": act, "action": action, "project": project, "env": env,
        "subject": subject, "blast": blast, "danger": danger, "reason": reason,
        "csrf_token": context.get("csrf_token"),
    }  # fmt: skip


# --- Changes ------------------------------------------------------------------------------------------


@register.filter
def pretty_json(value: Mapping[str, Any] | None) -> str:
    """JSON for reading: sorted keys, two spaces."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


@register.inclusion_tag("ui/components/diff.html")
def diff(difference: looks.Difference, heading: str = "", told: bool = False) -> dict[str, Any]:
    """A difference: sentences, rows with signs and words, and JSON on demand. ``told``: its sentences stand elsewhere
    on the page."""
    return {"difference": difference, "heading": heading, "told": told}


@register.inclusion_tag("ui/components/strategies.html")
def strategies(items: Sequence[looks.Strategy], level: int = 3) -> dict[str, Any]:
    """Strategies as readable rules, joined by "or"; ``level`` is the heading level."""
    return {"items": items, "tag": f"h{level}"}


@register.inclusion_tag("ui/components/rules.html")
def rules(items: Sequence[looks.Rule]) -> dict[str, Any]:
    """Rules joined by "and"."""
    return {"items": items}


@register.inclusion_tag("ui/components/weights.html")
def weights(variants: Sequence[looks.Variant]) -> dict[str, Any]:
    """Variants as a bar of shares with a legend."""
    total = sum(variant.weight for variant in variants)
    parts, at = [], 0
    for index, variant in enumerate(variants):
        parts.append({"variant": variant, "x": at, "colour": index % looks.PARTS + 1})
        at += variant.weight
    return {"parts": parts, "total": total}


@register.inclusion_tag("ui/components/timeline.html")
def timeline(moments: Sequence[looks.Moment]) -> dict[str, Any]:
    """What happened, newest as given."""
    return {"moments": moments}


@register.inclusion_tag("ui/components/checks.html")
def checks(items: Sequence[looks.Check]) -> dict[str, Any]:
    """What a request has and what it still lacks."""
    return {"items": items}
