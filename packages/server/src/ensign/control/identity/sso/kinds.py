"""What each protocol brings: how to send somebody to the provider, and which settings it takes.

A kind registers itself while Django starts, so that one whose libraries are an extra may be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse

from ensign.control.identity.sso.domain import ProviderView, Purpose
from ensign.control.kernel.errors import Invalid


class Begin(Protocol):
    """Sends a browser to the provider, for ``purpose``; afterwards it goes on to ``target``, a path of ours."""

    def __call__(
        self, request: HttpRequest, provider: ProviderView, *, purpose: Purpose, target: str, hint: str, at: datetime
    ) -> HttpResponse:
        """The redirect. ``hint``: the address that the person typed, or "".

        :raises Unavailable: when the provider cannot be reached for it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfProvider:
    """A protocol.

    ``clean`` checks the settings that somebody typed (raising ``Invalid`` that names fields) and returns those that are
    kept; the first argument is the shape. ``secrets`` names what is sealed and never shown again, ``lasting`` the
    settings that say whom a subject stands for, and so stay once somebody came through the provider; ``addresses``
    (label, URL) is what somebody enters at the provider.
    """

    title: str
    begin: Begin
    clean: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    secrets: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    addresses: Callable[[ProviderView], Sequence[tuple[str, str]]] = lambda _provider: ()


_kinds: dict[str, KindOfProvider] = {}


def register(kind: str, what: KindOfProvider) -> None:
    """Let providers be of this kind. Once, while Django starts.

    :raises ValueError: when it is registered already.
    """
    if kind in _kinds:
        raise ValueError(f"{kind} is registered twice")
    _kinds[kind] = what


def known() -> Mapping[str, KindOfProvider]:
    """All kinds that this installation can speak."""
    return dict(_kinds)


def of(kind: str) -> KindOfProvider:
    """One kind.

    :raises Invalid: when this installation does not speak it.
    """
    if kind not in _kinds:
        raise Invalid(
            "This installation does not speak that protocol.", fields={"kind": f"One of {', '.join(_kinds)}."}
        )
    return _kinds[kind]
