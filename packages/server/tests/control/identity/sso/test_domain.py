"""Claims: who is let in follows from the six rules alone, whatever else was asserted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ensign.control.identity.sso.domain import (
    Asserted,
    Found,
    NotLetIn,
    ProviderView,
    domain_of,
    judge,
    subject_hash,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def provider(**more: Any) -> ProviderView:
    given_: dict[str, Any] = {
        "id": "idp_1", "key": "op", "name": "Op", "kind": "oidc", "shape": "generic", "status": "active",
        "settings": {}, "domains": ("example.com",), "enforced": False, "provisioning": False, "mfa_counts": False,
        "group_claim": "groups", "group_mapping": (), "recheck_minutes": 60, "session_hours": 12, "version": 1,
        "ledger_seq": 1, **more,
    }  # fmt: skip
    return ProviderView(**given_)


def asserted(email: str, *, verified: bool) -> Asserted:
    return Asserted(
        provider="idp_1", subject="s", email=email, email_verified=verified, name="", groups=(),
        authenticated_at=NOW, strong=True, session_index="",
    )  # fmt: skip


found = st.none() | st.builds(
    Found,
    person=st.just("usr_1"),
    status=st.sampled_from(["active", "invited", "disabled", "erased"]),
    other_subject=st.booleans(),
)


@given(
    email=st.sampled_from(["a@example.com", "a@evil.example", "a@EXAMPLE.com", "", "example.com", "a@b@example.com"]),
    verified=st.booleans(),
    known=found,
    by_email=found,
    provisioning=st.booleans(),
    status=st.sampled_from(["active", "disabled"]),
    enforced_by=st.sampled_from([(), ("idp_1",), ("idp_2",), ("idp_1", "idp_2")]),
)
def test_whoever_is_let_in_meets_every_rule(
    email: str,
    verified: bool,
    known: Found | None,
    by_email: Found | None,
    provisioning: bool,
    status: str,
    enforced_by: tuple[str, ...],
) -> None:
    here = provider(provisioning=provisioning, status=status)
    try:
        verdict = judge(
            asserted(email, verified=verified), here, known=known, by_email=by_email, enforced_by=enforced_by
        )
    except NotLetIn:
        return
    assert status == "active"
    assert not enforced_by or "idp_1" in enforced_by
    if verdict == "known":
        assert known is not None
        assert known.status in {"active", "invited"}
        return
    assert known is None
    assert verified
    assert domain_of(email) == "example.com"
    if verdict == "make":
        assert provisioning
        assert by_email is None
    else:
        assert by_email is not None
        assert by_email.status in {"active", "invited"}
        assert not by_email.other_subject


@pytest.mark.parametrize("status", ["active", "invited"])
def test_an_honest_arrival_is_let_in(status: str) -> None:
    """The rules do not simply refuse everybody."""
    here, honest = provider(), asserted("a@example.com", verified=True)
    someone = Found(person="usr_1", status=status)
    assert judge(honest, here, known=someone, by_email=None, enforced_by=()) == "known"
    assert judge(honest, here, known=None, by_email=someone, enforced_by=("idp_1",)) == "link"
    assert judge(honest, provider(provisioning=True), known=None, by_email=None, enforced_by=()) == "make"


def test_the_same_subject_at_two_providers_is_two_people() -> None:
    assert subject_hash("idp_1", "s") != subject_hash("idp_2", "s")
