"""Pages behind one-time links: joining, and choosing a new password."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ensign.control.identity import attempts, enforcing, links, operations, queries, sign_in
from ensign.control.identity.forms import JoinForm, ResetForm
from ensign.control.identity.links import Kind, LinkView
from ensign.control.identity.models import Account
from ensign.control.identity.sso import enforcement
from ensign.control.identity.web import SeeOther, add_errors, form_page, network_address
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS
from ensign.control.kernel.errors import Conflict, EnsignError, NotFound, Unauthenticated


def find(request: HttpRequest, text: str, kind: Kind) -> LinkView | HttpResponse:
    """The link, or the page that says why it does not work and what to do.

    Guessing 256 bits is hopeless; still, unknown links count against the network address.

    :raises RateLimited: after too many unknown ones.
    """
    at = clock.now()
    try:
        found = links.find(text, kind, at=at)
        if found.person_id is not None:
            enforcement.require_local(queries.person(found.person_id).email)
            enforcing.require_way("password", found.person_id, rules=enforcing.of_request(request))
        return found
    except Unauthenticated as error:
        return render(request, "identity/link_problem.html", {"problem": error, "kind": kind}, status=403)
    except NotFound as error:
        attempts.reserve([(attempts.LINK, (network_address(request),))], at=at)
        sign_in.refused("link", person_id=None, at=at)
        problem: EnsignError = error
    except Conflict as error:
        problem = error
    status = 404 if isinstance(problem, NotFound) else 410
    return render(request, "identity/link_problem.html", {"problem": problem, "kind": kind}, status=status)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation: name and password, then signed in."""
    found = find(request, token, "invite")
    if isinstance(found, HttpResponse):
        return found
    person = queries.person(found.person_id or "")
    form = JoinForm(request.POST or None, initial={"name": person.name})
    status = 200
    if request.method == "POST" and form.is_valid():
        at = clock.now()
        try:
            joined = operations.accept_invitation(
                actor=ANONYMOUS,
                at=at,
                link=token,
                name=form.cleaned_data["name"],
                password=form.cleaned_data["password"],
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            account = Account.objects.select_related("person").get(person_id=joined.id)
            sign_in.complete(request, account, way="invitation", at=at)
            messages.success(request, "Welcome. Enrol a second factor now: approving needs one.")
            return SeeOther(reverse("identity:security"))
    return form_page(request, "identity/join.html", form, status=status, person=person, link=found)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a new password by an administrator's link, then sign in with it."""
    found = find(request, token, "reset")
    if isinstance(found, HttpResponse):
        return found
    person = queries.person(found.person_id or "")
    form = ResetForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            operations.reset_password(
                actor=ANONYMOUS, at=clock.now(), link=token, password=form.cleaned_data["password"]
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "The new password is set; every session of yours has ended. Sign in with it.")
            return SeeOther(reverse("identity:sign-in"))
    return form_page(request, "identity/reset.html", form, status=status, person=person, link=found)
