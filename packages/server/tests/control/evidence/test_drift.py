"""Claims: an account that may sign in though its person may not, or under another address, is drift; so is a ruleset
that its flags do not make. What the operations write is none.
"""

from __future__ import annotations

import pytest
from ensign.control.audit import inspect
from ensign.control.identity.models import Account
from ensign.control.publishing.models import Revision
from ensign_testkit.log_story import LogStory, log_story


@pytest.fixture
def story(db: str) -> LogStory:
    return log_story()


def found() -> list[tuple[str, str]]:
    return [(finding.check, finding.message) for finding in inspect.verify().findings]


def test_what_the_operations_wrote_is_no_drift(story: LogStory) -> None:
    assert found() == []


def test_an_account_that_signs_in_for_a_person_who_may_not_is_drift(story: LogStory) -> None:
    Account.objects.filter(person_id=story.cast.dev.id).update(is_active=False)
    assert found() == [("account", "the person is active, yet the account cannot sign in")]


def test_an_account_under_another_address_is_drift(story: LogStory) -> None:
    Account.objects.filter(person_id=story.cast.dev.id).update(email="mallory@example.com")
    assert found() == [("account", "its e-mail address is not the person's")]


def test_a_ruleset_that_no_revision_vouches_for_is_drift(story: LogStory) -> None:
    """Insert-only: not even the application's role takes a revision away; one too many is found."""
    newest = Revision.objects.order_by("-number")[0]
    values = {field.attname: getattr(newest, field.attname) for field in Revision._meta.concrete_fields}
    values |= {"number": newest.number + 1, "digest": "0" * 64}
    values = {name: value for name, value in values.items() if name != "id"}
    Revision.objects.bulk_create([Revision(**values)])
    assert [check for check, _ in found()] == ["ruleset"] * len(found()) != []
