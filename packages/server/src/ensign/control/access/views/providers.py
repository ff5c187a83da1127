"""Pages about identity providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access import provider_trust, providers
from ensign.control.access.decisions import Held, held
from ensign.control.access.permissions import Permission
from ensign.control.access.provider_forms import OidcProviderForm, ProviderForm
from ensign.control.access.saml_provider_forms import SamlProviderForm
from ensign.control.access.views.common import open_page, shown, sign_in_tabs
from ensign.control.identity import queries as identity
from ensign.control.identity.sso import enforcement, kinds, queries, secrets
from ensign.control.identity.sso.domain import SHAPES, ProviderView
from ensign.control.identity.sso.views import go
from ensign.control.identity.web import SeeOther, add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound

#: Kind of provider -> its form.
FORMS: Final[Mapping[str, type[ProviderForm]]] = {"oidc": OidcProviderForm, "saml": SamlProviderForm}


def _open(request: HttpRequest) -> tuple[Held, datetime]:
    """What the person holds, after checking that they may read how people sign in."""
    actor, at = signed_in(request), clock.now()
    providers.require_reading(actor, at=at)
    return held(actor, at=at), at


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """All providers."""
    holds, at = _open(request)
    rows = [{"provider": one, "shape": SHAPES[one.shape]} for one in queries.providers()]
    context = {
        "rows": rows,
        "kinds": [(kind, what.title) for kind, what in kinds.known().items() if kind in FORMS],
        "may_manage": holds.allows(Permission.ORG_SECURITY_MANAGE),
        "emergency": enforcement.emergency_ready(at=at),
        "enforced": any(row.enforced for row in queries.active_providers()),
        "tabs": sign_in_tabs("Identity providers"),
    }
    return render(request, "access/providers.html", context)


@never_cache
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Connect a provider, of the kind that the address asks for."""
    holds, at = open_page(request, Permission.ORG_SECURITY_MANAGE)
    kind = request.GET.get("kind", "oidc")
    form = _form(kind)(request.POST or None, new=True)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = providers.create(actor=holds.actor, at=at, key=form.cleaned_data["key"], kind=kind, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            return SeeOther(reverse("access:provider", args=[made.id]))
    more = {
        "title": f"Connect a provider: {kinds.of(kind).title}",
        "lead": "Nobody signs in through it before you have tried and enabled it.",
        "act": "Connect the provider",
        "back": reverse("access:providers"),
    }
    return form_page(request, "access/form.html", form, status=status, **more)


@never_cache
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, provider_id: str) -> HttpResponse:
    """One provider: what to enter there, its settings, groups and people, enforcement."""
    holds, at = _open(request)
    provider = queries.provider(provider_id)
    kind_form = _form(provider.kind)
    form = kind_form(request.POST or None, new=False, initial=kind_form.initial_of(provider))
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            providers.update(actor=holds.actor, at=at, provider_id=provider_id, wish=form.wish())
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The provider was changed.")
            return SeeOther(reverse("access:provider", args=[provider_id]))
    return form_page(request, "access/provider.html", form, status=status, **_about(provider, holds))


def _about(provider: ProviderView, holds: Held) -> dict[str, Any]:
    """What the page of a provider shows besides the form."""
    names = identity.names([one.group for one in provider.group_mapping])
    mapped = [{"value": one.value, "group": one.group, "name": names[one.group]} for one in provider.group_mapping]
    linked = [one for one in queries.identities_at(provider.id) if one.status == "active"]
    who = shown(one.person for one in linked)
    speaks = kinds.of(provider.kind)
    others = shown(provider_trust.others(holds.actor.id, at=holds.at))
    return {
        "provider": provider,
        "own": provider_trust.decided(holds.actor.id, provider.id, provider.trusted_by),
        "others": sorted(others.values(), key=lambda one: one.name),
        "decided_by": shown([provider.trusted_by])[provider.trusted_by] if provider.trusted_by else None,
        "shape": SHAPES[provider.shape],
        "kind": speaks.title,
        "addresses": speaks.addresses(provider),
        "secret_set": bool(speaks.secrets) and secrets.has(provider.id, speaks.secrets[0]),
        "mapped": mapped,
        "groups": [group for group in identity.groups() if group.status == "active" and not group.managed],
        "linked": [{"identity": one, "who": who[one.person]} for one in linked],
        "may_manage": holds.allows(Permission.ORG_SECURITY_MANAGE),
        "emergency": enforcement.emergency_ready(at=holds.at),
        "tabs": sign_in_tabs("Identity providers"),
    }


@require_GET
def try_it(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sign in at the provider and see what it asserts; nothing is changed."""
    open_page(request, Permission.ORG_SECURITY_MANAGE)
    provider = queries.provider(provider_id)
    return go(request, provider, purpose="try", target=reverse("access:provider", args=[provider_id]))


@require_POST
def add_mapping(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Map one more value to a group."""
    mapping = _mapping(request, provider_id)
    return _mapped(request, provider_id, [*mapping, (request.POST.get("value", ""), request.POST.get("group", ""))])


@require_POST
def remove_mapping(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Map a value no more."""
    gone = (request.POST.get("value", ""), request.POST.get("group", ""))
    return _mapped(request, provider_id, [pair for pair in _mapping(request, provider_id) if pair != gone])


def _mapping(request: HttpRequest, provider_id: str) -> list[tuple[str, str]]:
    signed_in(request)  # a stranger does not learn here which providers there are
    return [(one.value, one.group) for one in queries.provider(provider_id).group_mapping]


def _mapped(request: HttpRequest, provider_id: str, mapping: list[tuple[str, str]]) -> HttpResponse:
    actor, at = signed_in(request), clock.now()
    try:
        providers.map_groups(actor=actor, at=at, provider_id=provider_id, mapping=mapping)
    except (Conflict, Invalid) as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
    else:
        messages.success(request, "It counts from each person's next sign-in or check.")
    return SeeOther(reverse("access:provider", args=[provider_id]) + "#groups")


@require_POST
def enable(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Let people sign in through it."""
    return _looked_at(request, provider_id, providers.enable)


@require_POST
def vouch(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Say that one has looked at what somebody else alone decided it is trusted with."""
    return _looked_at(request, provider_id, providers.vouch)


def _looked_at(request: HttpRequest, provider_id: str, act: Callable[..., ProviderView]) -> HttpResponse:
    """Do it with the version that the page showed."""
    actor, reason, version = signed_in(request), request.POST.get("reason", ""), request.POST.get("version", "")
    seen = int(version) if version.isdecimal() else None
    try:
        act(actor=actor, at=clock.now(), provider_id=provider_id, reason=reason, version=seen)
    except (Conflict, Invalid) as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
    return SeeOther(reverse("access:provider", args=[provider_id]))


@require_POST
def disable(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Let nobody sign in through it any more."""
    reason = request.POST.get("reason", "")
    providers.disable(actor=signed_in(request), at=clock.now(), provider_id=provider_id, reason=reason)
    return SeeOther(reverse("access:provider", args=[provider_id]))


@require_POST
def enforce(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Let people of its domains sign in through it alone."""
    try:
        providers.enforce(
            actor=signed_in(request),
            at=clock.now(),
            provider_id=provider_id,
            reason=request.POST.get("reason", ""),
            without_emergency=bool(request.POST.get("without_emergency")),
        )
    except Conflict as error:
        messages.error(request, f"{error.message} {error.remedy}")
    return SeeOther(reverse("access:provider", args=[provider_id]) + "#enforcement")


@require_POST
def release(request: HttpRequest, provider_id: str) -> HttpResponse:
    """End the enforcement."""
    reason = request.POST.get("reason", "")
    providers.release(actor=signed_in(request), at=clock.now(), provider_id=provider_id, reason=reason)
    return SeeOther(reverse("access:provider", args=[provider_id]) + "#enforcement")


@require_POST
def release_identity(request: HttpRequest, provider_id: str, identity_id: str) -> HttpResponse:
    """Forget as whom the provider knows a person."""
    providers.release_identity(
        actor=signed_in(request), at=clock.now(), identity_id=identity_id, reason=request.POST.get("reason", "")
    )
    messages.success(request, "Released: their next sign-in is linked by their address again.")
    return SeeOther(reverse("access:provider", args=[provider_id]) + "#people")


def _form(kind: str) -> type[ProviderForm]:
    if kind not in FORMS or kind not in kinds.known():
        raise NotFound("There is no such kind of provider.", remedy="See Sign-in → Identity providers.")
    return FORMS[kind]
