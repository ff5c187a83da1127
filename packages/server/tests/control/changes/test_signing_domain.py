"""Claims, of pure functions: a signature holds for one request in one round by one person, policy and key alone,
and whatever is changed of any of these, it does not hold; where signatures are demanded, only those that hold count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from ensign.control.changes.domain import lifecycle, signing, trust
from ensign.control.changes.domain.diff import Row
from ensign.control.changes.domain.requests import Approval, ChangeRequest, PolicyInForce
from ensign.control.changes.domain.signing import Key, Signing
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.projects.demands import Demand
from ensign_ledger.testing_passkeys import SimulatedPasskey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOG = "log.example/ensign"
POLICY = PolicyInForce(ref="pol_1@3", demand=Demand(approvals=1, signed=True), protected=True)
PASSKEY = SimulatedPasskey()
KEY = Key(
    id="apk_1", owner="usr_bo", public_key=PASSKEY.public_key, host=PASSKEY.host, origin=PASSKEY.origin,
    enrolled_at=AT - timedelta(days=3),
)  # fmt: skip
JUDGING = Signing(log=LOG, keys={"apk_1": KEY})
REQUEST = ChangeRequest(
    id="crq_1", project="shop", environment="production", title="Widen", reason="It went well.", author="usr_ada",
    round=2, status="in_review", digest="0a" * 32, created_at=AT, updated_at=AT,
)  # fmt: skip


@cache
def approval() -> Approval:
    given = Approval(person="usr_bo", at=AT, digest=REQUEST.digest, policy=POLICY.ref, round=REQUEST.round)
    shown = signing.shown_as(("Rollout goes to 50 %.",), (Row("rollout", "10 %", "50 %"),), nonce="5a" * 16)
    signed = PASSKEY.approve(
        signing.about_approval(REQUEST, given, log=LOG),
        key="apk_1",
        shown=signing.shown_now(REQUEST, shown),
        issued=clock.text(AT - timedelta(minutes=1)),
        expires=clock.text(AT + timedelta(minutes=4)),
    )
    return replace(given, signature={**signed.to_entry(), "shown_as": shown})


def counted(request: ChangeRequest, given: Approval, judging: Signing = JUDGING) -> bool:
    found = replace(request, approvals=(given,))
    return trust.verdict(
        found, at=AT, policy=POLICY, judges=trust.Judges(entitled=lambda _: True, signing=judging)
    ).enough


def test_what_was_signed_counts() -> None:
    assert JUDGING.problem(REQUEST, approval()) == ""
    assert counted(REQUEST, approval())
    assert Approval.from_state(approval().to_state()) == approval()


def test_without_keys_nothing_counts() -> None:
    assert not counted(REQUEST, approval(), Signing())
    assert not counted(REQUEST, replace(approval(), signature=None))


_OF_REQUEST: Mapping[str, Any] = {
    "id": "crq_2", "project": "till", "environment": "staging", "title": "Narrow", "reason": "", "round": 3,
    "digest": "0b" * 32,
}  # fmt: skip
_OF_APPROVAL: Mapping[str, Any] = {
    "person": "usr_cy", "at": AT + timedelta(minutes=5), "digest": "0b" * 32, "policy": "pol_1@4", "round": 1,
}  # fmt: skip
_OF_KEY: Mapping[str, Any] = {
    "owner": "usr_cy", "public_key": SimulatedPasskey(seed=9).public_key, "host": "evil.example",
    "origin": "https://evil.example", "enrolled_at": AT + timedelta(seconds=1), "revoked_at": AT,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(_OF_REQUEST))
def test_no_member_of_the_request_can_differ(name: str) -> None:
    assert JUDGING.problem(replace(REQUEST, **{name: _OF_REQUEST[name]}), approval())
    assert not counted(replace(REQUEST, **{name: _OF_REQUEST[name]}), approval())


@pytest.mark.parametrize("name", sorted(_OF_APPROVAL))
def test_no_member_of_the_approval_can_differ(name: str) -> None:
    assert not counted(REQUEST, replace(approval(), **{name: _OF_APPROVAL[name]}))


@pytest.mark.parametrize("name", sorted(_OF_KEY))
def test_no_member_of_the_key_can_differ(name: str) -> None:
    other = Signing(log=LOG, keys={"apk_1": replace(KEY, **{name: _OF_KEY[name]})})
    assert not counted(REQUEST, approval(), other)


def _changed(value: Any, data: st.DataObject) -> Any:
    """Another value of the same kind, or of none."""
    if isinstance(value, int):
        return data.draw(st.one_of(st.integers().filter(lambda n: n != value), st.none()))
    if isinstance(value, dict):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: _changed(value[name], data)}
    if isinstance(value, list):
        return [*value, *value[:1]] if data.draw(st.booleans()) else value[1:]
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(codec="ascii", exclude_characters=value[at] + "\0"))
    return data.draw(st.sampled_from([value[:at] + letter + value[at + 1 :], value[:at], value + letter, None]))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_of_a_signature_can_be_changed_and_nothing_raises(data: st.DataObject) -> None:
    signature = dict(approval().signature or {})
    name = data.draw(st.sampled_from(sorted(signature)))
    changed = {**signature, name: _changed(signature[name], data)}
    assert not counted(REQUEST, replace(approval(), signature=changed))


@pytest.mark.parametrize("name", sorted(approval().signature or {}))
def test_nothing_of_a_signature_can_be_missing(name: str) -> None:
    rest = {key: value for key, value in (approval().signature or {}).items() if key != name}
    assert not counted(REQUEST, replace(approval(), signature=rest))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.text() | st.sampled_from(sorted(approval().signature or {})),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3),
        max_size=8,
    )
)
def test_rubbish_for_a_signature_counts_for_nothing(rubbish: dict[str, Any]) -> None:
    assert not counted(REQUEST, replace(approval(), signature=rubbish))


@settings(deadline=None)
@given(signed=st.booleans(), good=st.booleans(), demanded=st.booleans())
def test_nobody_approves_but_with_a_signature_that_holds_where_it_is_demanded(
    signed: bool, good: bool, demanded: bool
) -> None:
    actor = Actor(kind="person", id="usr_bo", via="session", mfa_at=AT)
    signature = approval().signature if signed else None
    policy = POLICY if demanded else replace(POLICY, demand=Demand(approvals=1))
    anybody = trust.Judges(entitled=lambda _: True, signing=JUDGING if good else Signing(log=LOG))
    try:
        done = lifecycle.approve(
            REQUEST, actor, at=AT, digest=REQUEST.digest, policy=policy, current={}, judges=anybody, signature=signature
        )
    except (Conflict, Denied):
        assert (demanded and not signed) or (signed and not good)
    else:
        assert done.status == "approved"
        assert (signed and good) or not (signed or demanded)
