"""Every page of the control plane, read from the URL configuration: a new one is tested without being named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

#: What stands for a parameter in an address; there is nothing of that name.
_FILLED = {"str": "none-such", "int": "1", "slug": "none-such", "path": "none/such", "uuid": "0" * 32}
_PARAMETER = re.compile(r"<(?:(\w+):)?\w+>")


@dataclass(frozen=True, slots=True)
class Route:
    """A page: its name (``access:person``), an address of it, and the view that answers."""

    name: str
    address: str
    view: Callable[..., Any]

    def __str__(self) -> str:
        return self.name


def pages() -> list[Route]:
    """All of them but the API, whose endpoints answer by other rules."""
    return [route for route in _walk(get_resolver(), "/", "") if not route.address.startswith("/api/")]


def _walk(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        path = prefix + _PARAMETER.sub(lambda found: _FILLED[found.group(1) or "str"], str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            name = f"{namespace}{pattern.name or pattern.lookup_str}"
            yield Route(name, path.replace("^", "").replace("$", ""), pattern.callback)
        else:
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern, path, inner)
