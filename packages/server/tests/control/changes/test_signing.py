"""Claims: where a policy asks for it an approval is a passkey's signature over exactly this request in this round, and
nothing else counts: no session alone, no answer to another question, no other key, place or person, nothing replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from ensign.control.access.approval_keys import revoke_for
from ensign.control.access.people import deactivate
from ensign.control.access.people import remove_factors as remove_factors_of
from ensign.control.changes import operations as door
from ensign.control.changes import queries, signing, signing_pages, timing
from ensign.control.changes.domain import trust
from ensign.control.changes.domain.requests import Approval
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.loading import signing_for
from ensign.control.changes.models import Request
from ensign.control.identity import factors
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.approval_keys import queries as key_queries
from ensign.control.identity.approval_keys.models import SigningQuestion
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_ledger.cose import EDDSA, RS256
from ensign_ledger.passkey import Assertion
from ensign_ledger.testing_passkeys import SimulatedPasskey
from ensign_testkit.changing import (
    Story,
    by_token,
    last_entry,
    launch,
    requested,
    rows_equal_the_log,
    story,
    without_mfa,
)
from ensign_testkit.passkeys import (
    add_passkey,
    approve_signed,
    as_browser,
    challenge_in,
    factor_of,
    make_key,
    signed_answer,
    signer,
)


def signed_story(*, approvals: int = 1) -> Story:
    """The story, in whose production approvals are signed."""
    cast = story()
    rules = PolicyRules(approvals=approvals, further=Demand(signed=True))
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production", operations=(PolicySet(rules=rules),),
        title="Sign approvals", reason="The auditors ask for it.",
    )  # fmt: skip
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    return cast


def again(id: str) -> Any:
    return queries.to_row(Request.objects.get(pk=id)).request


def lost(cast: Story, id: str, **by: float) -> set[str]:
    standing = queries.standing(again(id), reader=cast.viewer, at=cast.later(**by))
    return {why for _, why in standing.verdict.lost}


def test_a_signed_approval_lets_a_change_apply_and_both_entries_hold_the_signature(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    reviewed = approve_signed(cast.approver, passkey, done.request, at=cast.at)
    assert reviewed.request.status == "approved"
    given = last_entry("change_request.approved")["detail"]["signature"]
    assert "shown_as" not in given
    assert given["key"] == key_queries.of_person(cast.approver.id)[0].id
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    approval = last_entry("change_request.applied")["approval"]
    assert approval["signed"] == approval["required"] == 1
    assert approval["approvers"][0]["signature"] == given
    [shown] = signing_pages.signed(again(done.request.id))
    assert not shown.problem
    assert shown.sentences == queries.effect(done.request).sentences
    assert not SigningQuestion.objects.exists()
    assert rows_equal_the_log()


def test_a_policy_that_asks_for_signatures_says_when_too_few_have_a_key(db: str) -> None:
    cast = story()

    def warned() -> str:
        rules = PolicyRules(approvals=1, further=Demand(signed=True))
        done = door.propose(
            actor=cast.admin, at=cast.at, project="shop", environment="production",
            operations=(PolicySet(rules=rules),), title="Sign approvals", reason="The auditors ask for it.",
        )  # fmt: skip
        return " ".join(done.request.warnings)

    assert "1 signed approval asked for, but only 0 of the people" in warned()
    signer(cast.approver)
    assert "signed approval" not in warned()


def test_nobody_approves_twice_but_anew_after_their_key_was_revoked(db: str) -> None:
    cast = signed_story(approvals=2)
    passkey, done = signer(cast.approver), requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    with pytest.raises(Conflict, match="approved this already"):
        approve_signed(cast.approver, passkey, done.request, at=cast.at)
    ENDINGS["its owner"](cast)
    approve_signed(cast.approver, signer(cast.approver, seed=3), done.request, at=cast.at)
    standing = queries.standing(again(done.request.id), reader=cast.viewer, at=cast.at)
    assert [given.person for given in standing.verdict.counted] == [cast.approver.id]
    assert lost(cast, done.request.id) == {"its key was revoked"}


@pytest.mark.parametrize("algorithm", [EDDSA, RS256])
def test_the_other_algorithms_sign_as_well(db: str, algorithm: int) -> None:
    cast = signed_story()
    passkey = signer(cast.approver, algorithm=algorithm)
    assert approve_signed(cast.approver, passkey, requested(cast, launch()).request, at=cast.at).request.approvals


def test_a_session_alone_does_not_approve_and_is_told_what_to_do(db: str) -> None:
    cast = signed_story()
    done = requested(cast, launch())
    with pytest.raises(Conflict, match="signed with a passkey") as refused:
        door.review(
            actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
        )
    assert refused.value.code == "signature-required"
    assert "Approval keys" in refused.value.remedy
    assert not again(done.request.id).approvals


def test_an_approval_without_a_signature_from_before_the_policy_does_not_count(db: str) -> None:
    cast = signed_story()
    done = requested(cast, launch())
    request = again(done.request.id)
    policy = queries.standing(request, reader=cast.viewer, at=cast.at).policy

    forged = replace(
        request,
        approvals=(
            Approval(
                person=cast.approver.id, at=cast.at, digest=request.digest, policy=policy.ref, round=request.round
            ),
        ),
    )
    judged = trust.verdict(forged, at=cast.at, policy=policy, judges=trust.Judges(entitled=lambda _: True))
    assert not judged.enough
    assert {why for _, why in judged.lost} == {"not signed with a passkey"}


def test_a_signature_is_taken_where_the_policy_asks_for_none_and_must_hold_there_too(db: str) -> None:
    cast = story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    keys.revoke(actor=cast.approver, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id)
    assert lost(cast, done.request.id) == {"its key was revoked"}
    with pytest.raises(Conflict, match="its key was revoked"):
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


Refusal = type[Exception]


def refused(
    cast: Story, done: Any, answer: str, *, by: Actor | None = None, error: Refusal = Denied, **at: float
) -> str:
    actor = by or cast.approver
    with pytest.raises(error) as found:
        door.review(
            actor=actor, at=cast.later(**at), request_id=done.request.id, decision="approve",
            digest=again(done.request.id).digest, answer=answer,
        )  # fmt: skip
    assert not again(done.request.id).approvals
    return str(found.value)


LIES: dict[str, dict[str, Any]] = {
    "no user verification": {"flags": 0x01},
    "no presence": {"flags": 0x04},
    "another origin": {"client_data": {"origin": "https://evil.example"}},
    "a subdomain": {"client_data": {"origin": "http://www.localhost:8000"}},
    "another port": {"client_data": {"origin": "http://localhost:1"}},
    "within another page": {"client_data": {"crossOrigin": True}},
    "made, not used": {"client_data": {"type": "webauthn.create"}},
    "another host": {"host": "evil.example"},
}


@pytest.mark.parametrize("what", LIES)
def test_a_dishonest_answer_is_refused_and_the_try_is_an_entry(db: str, what: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    answer = signed_answer(cast.approver, passkey, done.request, at=cast.at, **LIES[what])
    assert "its signature is not of this" in refused(cast, done, answer)
    assert last_entry("access.denied")["detail"]["code"] == "signature_refused"


def test_authenticator_data_that_is_cut_short_is_refused(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    for length in (0, 36):
        answer = signed_answer(cast.approver, passkey, done.request, at=cast.at, length=length)
        refused(cast, done, answer, error=(Denied, Invalid))  # type: ignore[arg-type]  # pytest takes several


def test_the_answer_to_another_digest_is_refused(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch(10))
    with pytest.raises(Conflict, match="changed since you looked"):
        signing.ask(actor=cast.approver, at=cast.at, request_id=done.request.id, digest="0" * 64, round=1)
    answer = signed_answer(cast.approver, passkey, done.request, at=cast.at)
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    assert "its signature is not of this" in refused(cast, done, answer)


def test_an_answer_is_refused_after_an_edit_and_an_edit_back(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch(10))
    answer = signed_answer(cast.approver, passkey, done.request, at=cast.at)
    before = done.request.operations
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=before)
    assert again(done.request.id).digest == done.request.digest
    assert "its signature is not of this" in refused(cast, done, answer)


def test_an_approval_that_is_put_back_after_an_edit_and_an_edit_back_does_not_count(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch(10))
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    [given] = again(done.request.id).approvals
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=done.request.operations)
    request = again(done.request.id)
    assert request.digest == given.digest
    policy = queries.standing(request, reader=cast.viewer, at=cast.at).policy

    for stuffed in (given, replace(given, round=request.round)):
        forged = replace(request, approvals=(stuffed,))
        judging = signing_for(forged)
        assert not trust.verdict(
            forged, at=cast.at, policy=policy, judges=trust.Judges(entitled=lambda _: True, signing=judging)
        ).enough


def test_a_title_that_changed_after_signing_voids_the_signature(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch(10))
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    request = again(done.request.id)

    judging, [given] = signing_for(request), request.approvals
    assert judging.problem(request, given) == ""
    for change in ({"title": "Another"}, {"reason": "Another"}):
        assert "what was shown" in judging.problem(replace(request, **change), given)
    for change in ({"round": 2}, {"digest": "0" * 64}, {"id": "crq_other"}):
        assert "not of this" in judging.problem(replace(request, **change), given)
    assert "not of this" in judging.problem(request, replace(given, policy="pol_x@9"))
    assert "not an approval key of theirs" in judging.problem(request, replace(given, person=cast.second.id))
    assert "not of this" in replace(judging, log="another.example/ensign").problem(request, given)


def test_a_question_is_good_once_for_one_person_about_one_request_and_for_five_minutes(db: str) -> None:
    cast = signed_story(approvals=2)
    passkey, others = signer(cast.approver), signer(cast.second, seed=2)
    first, second = requested(cast, launch(10)), requested(cast, launch(20))
    answer = signed_answer(cast.approver, passkey, first.request, at=cast.at)
    assert "not open any more" in refused(cast, second, answer, error=Invalid)
    assert "not open any more" in refused(cast, first, answer, by=cast.second, error=Invalid)
    assert "not open any more" in refused(cast, first, answer, error=Invalid, minutes=5, seconds=1)
    asked = signing.ask(
        actor=cast.second, at=cast.at, request_id=first.request.id, digest=first.request.digest, round=1
    )
    borrowed = as_browser(passkey, passkey.sign(challenge_in(asked)))
    assert "not an approval key of yours" in refused(cast, first, borrowed, by=cast.second)
    door.review(
        actor=cast.approver, at=cast.at, request_id=first.request.id, decision="approve",
        digest=first.request.digest, answer=answer,
    )  # fmt: skip
    with pytest.raises(Invalid, match="not open any more"):
        door.review(
            actor=cast.approver, at=cast.at, request_id=first.request.id, decision="approve",
            digest=first.request.digest, answer=answer,
        )  # fmt: skip
    assert others.counter == 1


def test_an_answer_that_nobody_asked_for_is_refused(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    for text in ("", "{}", "[]", "null", "x" * 20_001, '{"rawId":"a"}', "[" * 5000):
        if text:
            refused(cast, done, text, error=Invalid)
    assert "not open" in refused(cast, done, as_browser(passkey, passkey.sign(bytes(32))), error=Invalid)


def test_a_signature_by_a_passkey_that_is_no_approval_key_is_refused(db: str) -> None:
    cast = signed_story()
    signer(cast.approver)
    plain = add_passkey(cast.approver, seed=5)
    done = requested(cast, launch())
    assert "not an approval key of yours" in refused(
        cast, done, signed_answer(cast.approver, plain, done.request, at=cast.at)
    )


def test_what_is_scheduled_and_lost_its_approval_is_signed_anew(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(hours=1))
    keys.revoke(actor=cast.approver, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id)
    approve_signed(cast.second, signer(cast.second, seed=2), again(done.request.id), at=cast.at)
    assert timing.tick(at=cast.later(hours=1)) == 1
    assert [given.person for given in again(done.request.id).approvals] == [cast.second.id]


def test_either_of_two_keys_signs(db: str) -> None:
    cast = signed_story()
    signer(cast.approver)
    second = signer(cast.approver, seed=2)
    approve_signed(cast.approver, second, requested(cast, launch()).request, at=cast.at)


def test_a_copied_passkey_whose_counter_does_not_grow_is_refused(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    copy = SimulatedPasskey(host=passkey.host, origin=passkey.origin, private=passkey.private)
    approve_signed(cast.approver, passkey, requested(cast, launch(10)).request, at=cast.at)
    done = requested(cast, launch(20))
    answer = signed_answer(cast.approver, copy, done.request, at=cast.at)
    assert "like a copy" in refused(cast, done, answer, error=Invalid)


def test_a_key_made_at_another_address_signs_nothing_here(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = signed_story()
    signer(cast.approver)
    done = requested(cast, launch())
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://flags.example.com")
    with pytest.raises(Conflict, match="no approval key"):
        signing.ask(actor=cast.approver, at=cast.at, request_id=done.request.id, digest=done.request.digest, round=1)


Ending = Callable[[Story], object]
ENDINGS: dict[str, Ending] = {
    "its owner": lambda cast: keys.revoke(
        actor=cast.approver, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id
    ),
    "an administrator": lambda cast: revoke_for(
        actor=cast.admin, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id, reason="Stolen."
    ),
    "removing the passkey": lambda cast: factors.remove(
        actor=cast.approver, at=cast.at, factor_id=key_queries.of_person(cast.approver.id)[0].factor
    ),
    "removing all factors": lambda cast: remove_factors_of(
        actor=cast.admin, at=cast.at, person_id=cast.approver.id, reason="Lost."
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_key_that_is_revoked_before_the_apply_voids_what_it_signed(db: str, how: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    ENDINGS[how](cast)
    [view] = key_queries.of_person(cast.approver.id)
    assert not view.active
    assert last_entry("approval_key.revoked")["detail"]["key"] == view.id
    assert lost(cast, done.request.id) == {"its key was revoked"}
    with pytest.raises(Conflict, match="its key was revoked"):
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    with pytest.raises(Conflict, match="no approval key"):
        signing.ask(actor=cast.approver, at=cast.at, request_id=done.request.id, digest=done.request.digest, round=1)


def test_whoever_leaves_loses_their_keys_in_the_same_transaction(db: str) -> None:
    cast = signed_story()
    signer(cast.approver)
    deactivate(actor=cast.admin, at=cast.at, person_id=cast.approver.id)
    [view] = key_queries.of_person(cast.approver.id)
    assert view.because == "left"
    assert last_entry("person.deactivated")["detail"]["approval_keys"] == 1
    assert rows_equal_the_log()


def test_a_key_revoked_after_the_apply_changes_nothing_that_applied(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    ENDINGS["its owner"](cast)
    assert again(done.request.id).status == "applied"
    assert not signing_pages.signed(again(done.request.id))[0].problem


def test_enrolling_needs_a_recent_factor_the_passkey_itself_and_its_verified_user(db: str) -> None:
    cast = story()
    passkey = add_passkey(cast.approver)
    for actor, error in ((without_mfa(cast.approver), NeedsMfa), (by_token(cast.approver), NeedsMfa)):
        with pytest.raises(error):
            keys.ask_to_enrol(actor=actor, at=cast.at, factor_id=factor_of(passkey))
        with pytest.raises(error):
            keys.enrol(actor=actor, at=cast.at, factor_id=factor_of(passkey), answer="{}")
    with pytest.raises(NotFound):
        keys.ask_to_enrol(actor=cast.second, at=cast.at, factor_id=factor_of(passkey))
    with pytest.raises(Denied, match="did not verify who used it"):
        make_key(cast.approver, passkey, at=cast.at, flags=0x01)
    with pytest.raises(Denied, match="not at"):
        make_key(cast.approver, passkey, at=cast.at, client_data={"origin": "https://evil.example"})
    other = add_passkey(cast.approver, seed=2)
    asked = keys.ask_to_enrol(actor=cast.approver, at=cast.at, factor_id=factor_of(passkey))
    crossed = as_browser(other, other.sign(challenge_in(asked)))
    with pytest.raises(Denied, match="not of this key"):
        keys.enrol(actor=cast.approver, at=cast.at, factor_id=factor_of(passkey), answer=crossed)
    assert not key_queries.of_person(cast.approver.id)
    key = make_key(cast.approver, passkey, at=cast.at)
    detail = last_entry("approval_key.enrolled")["detail"]
    assert (detail["key"], detail["owner"], detail["algorithm"]) == (key, cast.approver.id, -7)
    with pytest.raises(Conflict, match="already"):
        make_key(cast.approver, passkey, at=cast.at)


def test_nobody_ends_anothers_key_but_who_manages_people(db: str) -> None:
    cast = story()
    signer(cast.approver)
    key = key_queries.of_person(cast.approver.id)[0].id
    with pytest.raises(NotFound):
        keys.revoke(actor=cast.second, at=cast.at, key_id=key)
    with pytest.raises(Denied):
        revoke_for(actor=cast.second, at=cast.at, key_id=key)
    with pytest.raises(NeedsMfa):
        keys.revoke(actor=without_mfa(cast.approver), at=cast.at, key_id=key)
    revoke_for(actor=cast.admin, at=cast.at, key_id=key)
    with pytest.raises(Conflict):
        revoke_for(actor=cast.admin, at=cast.at, key_id=key)
    assert key_queries.of_person(cast.approver.id)[0].because == "administrator"


def test_a_key_can_be_made_of_a_passkey_again_after_its_revocation(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    ENDINGS["its owner"](cast)
    make_key(cast.approver, passkey, at=cast.at)
    done = requested(cast, launch())
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    [one] = signing_pages.signed(again(done.request.id))
    assert one.young


def test_an_answer_that_is_an_assertion_of_another_shape_is_never_an_error_of_ours(db: str) -> None:
    cast = signed_story()
    passkey = signer(cast.approver)
    done = requested(cast, launch())
    honest = passkey.sign(bytes(32))
    for part in (Assertion(b"", honest.client_data, b""), Assertion(honest.authenticator_data, b"{}", b"")):
        refused(cast, done, as_browser(passkey, part), error=Invalid)
