"""SAML's addresses: our metadata, where providers post their responses, where the browser goes on, and log-out.

Nothing here needs python3-saml before one of these addresses is asked for; without the extra they do not exist.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from ensign.control.identity import attempts, sign_in
from ensign.control.identity.gate import not_for_people, while_enrolling
from ensign.control.identity.sso import arrival, queries
from ensign.control.identity.sso.domain import NotLetIn, ProviderView
from ensign.control.identity.sso.saml_kind import available
from ensign.control.identity.sso.views import arrived, problem, unanswered
from ensign.control.identity.web import SeeOther, network_address
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound, RateLimited


def _provider(key: str) -> ProviderView:
    """The provider of an address.

    :raises Http404: when there is none that speaks SAML here.
    """
    try:
        found = queries.by_key(key)
    except NotFound as error:
        raise Http404 from error
    if found.kind != "saml" or not available():
        raise Http404
    return found


@not_for_people
@require_GET
def metadata(request: HttpRequest, key: str) -> HttpResponse:  # noqa: ARG001  # it is the same for everybody
    """What the provider's administrator enters there."""
    from ensign.control.identity.sso import saml_request  # deferred: python3-saml and libxml2 are an extra, and heavy

    found = saml_request.metadata(_provider(key))
    return HttpResponse(found, content_type="application/samlmetadata+xml")


@while_enrolling
@csrf_exempt
@never_cache
@sensitive_post_parameters()
@require_POST
def acs(request: HttpRequest, key: str) -> HttpResponse:
    """Where the provider's page posts its response, across sites: no cookie is looked at, and none is set."""
    from ensign.control.identity.sso import saml_arrival  # deferred: python3-saml and libxml2 are an extra, and heavy
    from ensign.control.identity.sso.saml_xml import Refused  # deferred: an extra, and heavy

    provider, at = _provider(key), clock.now()
    try:
        reservation = attempts.reserve([(attempts.PROVIDER, (network_address(request),))], at=at)
    except RateLimited as error:
        sign_in.refused("limit", person_id=None, at=at)
        return problem(request, error)
    try:
        relay = request.POST.get("RelayState", "")
        ticket = saml_arrival.receive(provider, request.POST.get("SAMLResponse", ""), relay, at=at)
    except Refused as error:
        return _refused(request, provider, saml_arrival.not_let_in(error), at=at)
    attempts.succeeded(reservation, forget=attempts.PAIR, parts=())
    onward = f"{reverse('identity:saml-finish', args=[key])}?{urlencode({'ticket': ticket})}"
    return SeeOther(onward)


@while_enrolling
@never_cache
@require_GET
def finish(request: HttpRequest, key: str) -> HttpResponse:
    """Where the browser goes on, with its session."""
    from ensign.control.identity.sso import saml_arrival  # deferred: python3-saml and libxml2 are an extra, and heavy
    from ensign.control.identity.sso.saml_xml import Refused  # deferred: an extra, and heavy

    provider, at = _provider(key), clock.now()
    try:
        content = saml_arrival.take(provider, request.GET.get("ticket", ""), at=at)
        asked = saml_arrival.asked_of(request, provider, content, at=at)
    except Refused as error:
        return _refused(request, provider, saml_arrival.not_let_in(error), at=at)
    try:
        found = saml_arrival.taken(provider, content, asked)
    except Refused as error:
        refusal = saml_arrival.not_let_in(error)
        return unanswered(request, provider, refusal, purpose=asked.purpose, target=asked.target, at=at)
    answer = arrived(request, provider, found.asserted, purpose=asked.purpose, target=asked.target, at=at)
    if answer.status_code < 400 and asked.purpose == "sign-in":
        saml_arrival.shorten(request, found.ends_at)
    return answer


@while_enrolling
@never_cache
@require_GET
def logout(request: HttpRequest, key: str) -> HttpResponse:
    """The provider ends sessions, by a signed request that the browser carries."""
    from ensign.control.identity.sso import saml_arrival, saml_logout  # deferred: an extra, and heavy
    from ensign.control.identity.sso.saml_xml import Refused  # deferred: an extra, and heavy

    provider, at = _provider(key), clock.now()
    if "SAMLResponse" in request.GET:
        return redirect("identity:sign-in")
    try:
        _, onward = saml_logout.end(provider, request.META.get("QUERY_STRING", ""), at=at)
    except Refused as error:
        return _refused(request, provider, saml_arrival.not_let_in(error), at=at)
    return redirect(onward) if onward else redirect("identity:sign-in")


def _refused(request: HttpRequest, provider: ProviderView, error: NotLetIn, *, at: datetime) -> HttpResponse:
    """An entry with the kind of failure, and a page that says what to do."""
    arrival.refused(provider.id, error, at=at)
    return problem(request, error)
