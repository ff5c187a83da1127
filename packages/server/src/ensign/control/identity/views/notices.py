"""What somebody is told when they have signed in, whichever way they came."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest

from ensign.control.identity import enforcing, factors, sign_in
from ensign.control.identity.actors import MFA_AT


def tell(request: HttpRequest, person_id: str, *, at: datetime) -> None:
    """Say which second factor is asked for soon, and what was enrolled lately: whoever did not do it must notice."""
    rules = enforcing.of_request(request)
    owed = enforcing.owed(person_id, rules=rules, at=at)
    vouched = owed == "factor" and MFA_AT in request.session
    if owed and not vouched and rules.due_at is not None and at < rules.due_at:
        what = "a passkey" if owed == "passkey" else "a second factor"
        text = f"Your organisation asks you to have {what} from {rules.due_at:%-d %B} on."
        messages.warning(
            request, f"{text} Enrol it under Your account → Second factors; afterwards nothing else works."
        )
    for factor in factors.new_factors(person_id, since=at - sign_in.FRESH):
        if factor.kind != "recovery_codes":
            days = (at - factor.created_at).days
            when = "today" if days == 0 else f"{days} {'day' if days == 1 else 'days'} ago"
            text = f"The second factor “{factor.name}” was enrolled {when}. If that was not you, remove it under"
            messages.info(request, f"{text} Your account → Second factors, and tell an administrator.")
