"""Calling a route as somebody, and forgetting what it did: the call happens in a transaction that is rolled back."""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from ensign.control.audit.models import Entry

from ensign_testkit.matrix.table import LED_TO_SIGN_IN, Row
from ensign_testkit.matrix.world import ENVIRONMENTS, OTHER, OWN, Caller, World

_BRACES = re.compile(r"\{(\w+)\}")
_PLACES = [("", "")], [(OWN, ""), (OTHER, "")], [*((OWN, e) for e in ENVIRONMENTS), (OTHER, "production")]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The answer's status (:data:`LED_TO_SIGN_IN` for a redirect to the sign-in page), how many refusals it left in the
    log, and the end of its text."""

    status: int
    denials: int
    text: str

    @property
    def refused(self) -> bool:
        """Whether the caller was turned away: 401, 403, 404 or led to sign in."""
        return self.status in {401, 403, 404, LED_TO_SIGN_IN}


def places(row: Row, world: World) -> list[tuple[str, str]]:
    """Where the route is tried: ("", ""), every project, or every environment, as its address and body need."""
    wanted = used(row)
    for level in _PLACES:
        found = [place for place in level if wanted <= world.names(place[0] or None, place[1] or None).keys()]
        if found:
            return found
    raise AssertionError(f"{row.route}: no place has {sorted(wanted)}")


def attempt(world: World, caller: Caller, row: Row, place: tuple[str, str]) -> Outcome:
    """Call the route in this place; nothing that it did remains."""
    return attempt_with(world, caller, row, world.names(place[0] or None, place[1] or None))


def attempt_with(world: World, caller: Caller, row: Row, names: dict[str, str]) -> Outcome:
    """:func:`attempt` with these names instead of those of one place."""
    names = names | {inside: names[outside] for inside, outside in row.names.items()}
    address = _filled(row.address, names) + ("?" + _filled(row.query, names) if row.query else "")
    body = None if row.body is None else json.loads(_filled(json.dumps(row.body), names, json_text=True))
    client = world.clients[caller.name]
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        before = _denials()
        if row.is_api:
            response = client.generic(
                row.method, address, "" if body is None else json.dumps(body), content_type="application/json"
            )
        else:
            response = client.generic(row.method, address) if row.method != "POST" else client.post(address, body or {})
        text = response.getvalue()
        denials = _denials() - before
        transaction.set_rollback(True)
    client.cookies = cookies
    status = response.status_code
    if status in {302, 303} and response["Location"].partition("?")[0].endswith("/login"):
        status = LED_TO_SIGN_IN
    return Outcome(status=status, denials=denials, text=text[-3000:].decode(errors="replace"))


def _denials() -> int:
    return Entry.objects.filter(action="access.denied").count()


def used(row: Row) -> set[str]:
    """The world's names that the row's address, query and body speak of."""
    text = row.address + row.query + ("" if row.body is None else json.dumps(row.body))
    return {row.names.get(name, name) for name in _BRACES.findall(text.replace("{{", "").replace("}}", ""))}


def _filled(text: str, names: Mapping[str, str], *, json_text: bool = False) -> str:
    def value(match: re.Match[str]) -> str:
        found = names[match[1]]
        return json.dumps(found)[1:-1] if json_text else found

    return _BRACES.sub(value, text.replace("{{}}", "\0")).replace("\0", "{}")


def routes() -> set[str]:
    """``METHOD /address`` of everything that the URL conf and the API answer."""
    found = {*_api(), "GET /api/v1/openapi.json"}
    for address, view in _walk(get_resolver().url_patterns, "/"):
        if not address.startswith(("/api/", "/^api/")):
            found.update(f"{method} {address}" for method in _methods(view))
    return found


def _walk(patterns: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for one in patterns:
        address = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(one.pattern))
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, address)
        elif isinstance(one, URLPattern):
            yield address, one.callback


def _methods(view: Any) -> set[str]:
    """What ``require_http_methods`` lets through; both methods of a page where nothing restricts them."""
    while view is not None:
        inside = inspect.getclosurevars(view).nonlocals if inspect.isfunction(view) else {}
        if "request_method_list" in inside:
            return set(inside["request_method_list"]) - {"HEAD", "OPTIONS"}
        view = getattr(view, "__wrapped__", None)
    return {"GET", "POST"}


def _api() -> Iterator[str]:
    from ensign.control.api.root import api  # deferred: building it needs the URL conf

    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    address = "/api/v1" + re.sub(r"\{\w+:(\w+)\}", r"{\1}", "/" + (prefix + path).lstrip("/"))
                    yield f"{method} {address}"
