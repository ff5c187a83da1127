"""The page behind the set-up link."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ensign.control.access import setup
from ensign.control.access.forms import SetUpForm
from ensign.control.identity import sign_in
from ensign.control.identity.models import Account
from ensign.control.identity.views.links import find
from ensign.control.identity.web import SeeOther, add_errors, form_page
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS
from ensign.control.kernel.errors import EnsignError


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Become the first person, and decide how changes are approved."""
    found = find(request, token, "setup")
    if isinstance(found, HttpResponse):
        return found
    form = SetUpForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        at = clock.now()
        try:
            person = setup.set_up(actor=ANONYMOUS, at=at, link=token, **form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            account = Account.objects.select_related("person").get(person_id=person.id)
            sign_in.complete(request, account, way="setup", at=at)
            messages.success(request, "Ensign is yours. Enrol a second factor, then invite somebody to approve with.")
            return SeeOther(reverse("identity:security"))
    return form_page(request, "access/setup.html", form, status=status, link=found)
