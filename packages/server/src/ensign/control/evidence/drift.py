"""What `ensign ledger verify` compares besides rows and entries: sign-in accounts with people, rulesets with flags."""

from __future__ import annotations

from collections.abc import Iterator

from ensign.control.audit import inspect
from ensign.control.audit.inspect import Finding
from ensign.control.identity.models import Account, Person
from ensign.control.publishing import checks


def accounts() -> Iterator[Finding]:
    """Accounts hold secrets and stand outside the ledger; who may sign in, and as whom, is the person's row alone."""
    people = {pk: (email, status) for pk, email, status in Person.objects.values_list("pk", "email", "status")}
    for person, email, active in Account.objects.order_by("person_id").values_list("person_id", "email", "is_active"):
        known, status = people.get(person, ("", "missing"))
        subject = f"account of {person}"
        if email != known:
            yield Finding("account", subject, "its e-mail address is not the person's")
        if active != (status == "active"):
            can = "can" if active else "cannot"
            yield Finding("account", subject, f"the person is {status}, yet the account {can} sign in")


def rulesets() -> Iterator[Finding]:
    """What is published is what the rows make (``publishing.checks``)."""
    for problem in checks.problems():
        yield Finding("ruleset", "publishing_ruleset", problem)


def register() -> None:
    """Add both comparisons to ``audit.inspect``. Called once, when Django is set up."""
    inspect.register("account", accounts)
    inspect.register("ruleset", rulesets)
