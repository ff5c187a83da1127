"""What views of identity and access share: who asks, where to go next, and errors on the fields they concern."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from ensign.control.identity.actors import from_request
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, EnsignError, NeedsMfa, RateLimited, Unauthenticated


class SeeOther(HttpResponseRedirect):
    """After a write: fetch the next page with GET (RFC 9110, section 15.4.4)."""

    status_code = 303


def signed_in(request: HttpRequest) -> Actor:
    """The person who sits in this session.

    :raises Unauthenticated: when nobody does; the page to sign in is the answer.
    """
    actor = from_request(request)
    if actor.kind != "person":
        raise Unauthenticated("Nobody is signed in.", remedy="Sign in first.")
    return actor


def caller(request: HttpRequest) -> tuple[Actor, datetime]:
    """Who calls the API, by session or token as ``control.api.auth`` found them, and when."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    return actor, clock.now()


def network_address(request: HttpRequest) -> str:
    """Where the request came from, as an address; ``0.0.0.0`` over a unix socket."""
    text = str(request.META.get("REMOTE_ADDR", ""))
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return "0.0.0.0"  # noqa: S104  # a name for "unknown", nothing listens


def next_address(request: HttpRequest, *, default: str = "/") -> str:
    """Where to go afterwards: a path on this server, or ``default``. Never another host."""
    return local_path(request.POST.get("next") or request.GET.get("next") or "", default=default)


def local_path(wanted: str, *, default: str = "/") -> str:
    """``wanted`` if it is a path on this server, else ``default``. Never another host."""
    local = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if local and wanted.isprintable() else default


def add_errors(form: forms.Form, error: EnsignError) -> int:
    """Put an expected failure on the fields that it names, the rest above the form; returns the status to answer with.

    :raises NeedsMfa: again, as its page is the step-up.
    """
    if isinstance(error, NeedsMfa):
        raise error
    named = {field: text for field, text in error.fields.items() if field in form.fields}
    for field, text in named.items():
        form.add_error(field, text)
    if len(named) < len(error.fields) or not named:
        rest = [text for field, text in error.fields.items() if field not in named]
        form.add_error(None, " ".join(part for part in (error.message, *rest, error.remedy) if part))
    return 429 if isinstance(error, RateLimited) else 403 if isinstance(error, Denied) else 422


def form_page(request: HttpRequest, template: str, form: forms.Form, *, status: int = 200, **more: Any) -> HttpResponse:
    """A page with a form; 422 when the form holds errors of its own."""
    if status == 200 and form.is_bound and form.errors:
        status = 422
    return render(request, template, {"form": form, **more}, status=status)


def secret_page(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """A page with something that is shown once: no cache keeps it."""
    response = render(request, template, dict(context))
    response["Cache-Control"] = "no-store"
    return response
