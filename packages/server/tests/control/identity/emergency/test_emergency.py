"""Claims: two holders together open a way in for hours, nobody alone ever does, and its use is told and reviewed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from ensign.control.access import emergency, findings
from ensign.control.audit.models import Entry
from ensign.control.identity import factors
from ensign.control.identity.emergency import operations, queries
from ensign.control.identity.emergency.domain import hash_of, new_code
from ensign.control.identity.emergency.models import EmergencySeal
from ensign.control.identity.models import Account
from ensign.control.identity.sso import enforcement
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa
from ensign_testkit.browsing import Codes
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.providers import add_provider


class Moment:
    """The clock of the pages, which a test sets."""

    def __init__(self) -> None:
        self.now = clock.now()

    def later(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    found = Moment()
    monkeypatch.setattr(clock, "now", lambda: found.now)
    return found


def entries() -> list[dict[str, Any]]:
    return [json.loads(body) for body in Entry.objects.order_by("seq").values_list("body", flat=True)]


def finding_codes(at: datetime) -> list[str]:
    return [one.code for one in findings.findings(at=at) if one.code.startswith("emergency")]


def holder(name: str) -> tuple[Actor, str]:
    """An administrator with an authenticator app, and its secret."""
    actor = add_person(name, "admin")
    secret = factors.new_totp_secret()
    TOTP.activate(Account.objects.get(person_id=actor.id), secret)
    return actor, secret


class Sealed:
    """Anna, Bob and Cleo hold it; Rita does not."""

    def __init__(self) -> None:
        self.people = [holder(name) for name in ("Anna Berg", "Bob Lund", "Cleo Ng")]
        self.rita = add_person("Rita Rew", "admin")
        self.codes = self.seal()

    def seal(self, *, hours: int = 2) -> list[str]:
        at = clock.now()
        emergency.name_holders(
            actor=self.fresh(self.rita), at=at, people=[one.id for one, _ in self.people], hours=hours
        )
        return [operations.draw(actor=self.fresh(one), at=at) for one, _ in self.people]

    @staticmethod
    def fresh(actor: Actor) -> Actor:
        return Actor(kind="person", id=actor.id, via="session", mfa_at=clock.now())


@pytest.fixture
def there(db: str, moment: Moment) -> Sealed:
    return Sealed()


def give(code: str) -> operations.Given:
    return operations.give(actor=ANONYMOUS, at=clock.now(), code=code, reason="The provider is down")


def test_codes_are_long_random_and_read_however_they_are_typed() -> None:
    code = new_code()
    assert len(code.replace("-", "")) == 32
    assert hash_of(code) == hash_of(code.lower().replace("-", " "))
    assert hash_of(code) != hash_of(new_code())


def test_it_is_sealed_once_every_holder_has_drawn_a_code_of_their_own(db: str, moment: Moment) -> None:
    (anna, _), (bob, _) = holder("Anna Berg"), holder("Bob Lund")
    seal = emergency.name_holders(actor=anna, at=clock.now(), people=[anna.id, bob.id])
    operations.draw(actor=anna, at=clock.now())
    assert not enforcement.emergency_ready(at=clock.now())
    with pytest.raises(Conflict):
        operations.draw(actor=anna, at=clock.now())
    code = operations.draw(actor=bob, at=clock.now())
    assert enforcement.emergency_ready(at=clock.now())
    said = [entry["action"] for entry in entries()][-3:]
    assert said == ["emergency.holders_named", "emergency.code_drawn", "emergency.sealed"]
    assert code not in json.dumps(entries())
    assert code.replace("-", "") not in EmergencySeal.objects.get(pk=seal.id).content


def test_one_person_alone_cannot_however_often_they_try(there: Sealed, moment: Moment) -> None:
    for _ in range(3):
        assert give(there.codes[0]).waits_until == clock.now() + timedelta(minutes=15)
        moment.later(minutes=1)
    assert queries.open_seal(at=clock.now()) is None
    assert queries.current().status == "sealed"  # type: ignore[union-attr]


def test_two_people_within_fifteen_minutes_open_it_and_it_closes_by_itself(there: Sealed, moment: Moment) -> None:
    give(there.codes[0])
    moment.later(minutes=16)
    assert give(there.codes[1]).waits_until is not None
    moment.later(minutes=14)
    opened = give(there.codes[0])
    assert opened.waits_until is None
    assert opened.seal.ends_at == clock.now() + timedelta(hours=2)
    assert set(opened.seal.unsealed_by) == {there.people[0][0].id, there.people[1][0].id}
    last = entries()[-1]
    assert last["action"] == "emergency.unsealed"
    assert {last["actor"]["id"], last["detail"]["other"]} == set(opened.seal.unsealed_by)
    moment.later(hours=2)
    assert queries.open_seal(at=clock.now()) is None
    with pytest.raises(Invalid):
        give(there.codes[2])


def test_a_deactivated_holder_opens_nothing(there: Sealed, moment: Moment) -> None:
    Account.objects.filter(person_id=there.people[0][0].id).update(is_active=False)
    give(there.codes[1])
    with pytest.raises(Invalid):
        give(there.codes[0])
    assert queries.open_seal(at=clock.now()) is None


def test_after_resealing_the_old_codes_are_void(there: Sealed, moment: Moment) -> None:
    old = there.codes
    there.seal()
    for code in old:
        with pytest.raises(Invalid):
            give(code)


def test_a_used_seal_is_reviewed_by_somebody_who_holds_no_code_before_there_is_another(
    there: Sealed, moment: Moment
) -> None:
    give(there.codes[0])
    give(there.codes[1])
    assert finding_codes(clock.now()) == ["emergency-unreviewed"]
    rita, anna = there.fresh(there.rita), there.fresh(there.people[0][0])
    with pytest.raises(Conflict, match="no use to review"):
        emergency.review(actor=rita, at=clock.now(), verdict="justified", reason="Read the log.")
    emergency.close(actor=anna, at=clock.now())
    with pytest.raises(Denied):
        emergency.review(actor=anna, at=clock.now(), verdict="justified", reason="Read the log.")
    with pytest.raises(Denied):
        emergency.review(actor=there.fresh(there.people[2][0]), at=clock.now(), verdict="justified", reason="Holder.")
    with pytest.raises(Conflict, match="not been reviewed"):
        there.seal()
    emergency.review(actor=rita, at=clock.now(), verdict="justified", reason="Read the log.")
    assert finding_codes(clock.now()) == ["emergency-not-sealed"]
    there.seal()
    assert finding_codes(clock.now()) == []
    assert enforcement.emergency_ready(at=clock.now())


def test_holders_are_two_or_more_people_who_could_help(db: str, moment: Moment) -> None:
    (anna, _), plain = holder("Anna Berg"), add_person("Vera View", "viewer")
    for people in ([anna.id], [anna.id, anna.id], [anna.id, plain.id], [anna.id, "usr_nobody"]):
        with pytest.raises(Invalid):
            emergency.name_holders(actor=anna, at=clock.now(), people=people)
    with pytest.raises(Invalid):
        emergency.name_holders(actor=anna, at=clock.now(), people=[anna.id, holder("Bob Lund")[0].id], hours=9)
    with pytest.raises(Denied):
        emergency.name_holders(actor=plain, at=clock.now(), people=[anna.id, plain.id])
    old = Actor(kind="person", id=anna.id, via="session")
    with pytest.raises(NeedsMfa):
        emergency.name_holders(actor=old, at=clock.now(), people=[anna.id, plain.id])


def test_a_code_is_drawn_by_its_holder_who_has_a_factor_here(db: str, moment: Moment) -> None:
    (anna, _), bare = holder("Anna Berg"), add_person("Bob Lund", "admin")
    emergency.name_holders(actor=anna, at=clock.now(), people=[anna.id, bare.id])
    with pytest.raises(Conflict, match="no second factor here"):
        operations.draw(actor=bare, at=clock.now())
    with pytest.raises(Denied):
        operations.draw(actor=add_person("Cleo Ng", "admin"), at=clock.now())
    with pytest.raises(NeedsMfa):
        operations.draw(actor=Actor(kind="person", id=anna.id, via="session"), at=clock.now())
    with pytest.raises(Denied):
        operations.draw(actor=Actor(kind="person", id=anna.id, via="token", token_id="tok_x"), at=clock.now())


def post_code(client: Client, code: str) -> Any:
    return client.post("/emergency", {"code": code, "reason": "The provider is down"})


def test_holders_come_in_past_an_enforced_provider_and_are_out_when_it_closes(there: Sealed, moment: Moment) -> None:
    add_provider("okta", domains=["example.com"], enforced=True)
    first, second = Client(), Client()
    assert b"One more holder" in post_code(first, there.codes[0]).content
    answer = post_code(second, there.codes[1])
    assert (answer.status_code, answer["Location"]) == (303, "/emergency/second-factor")
    assert second.get("/account").status_code == 302
    wrong = second.post("/emergency/second-factor", {"code": "000000"})
    assert wrong.status_code == 422
    done = second.post("/emergency/second-factor", {"code": Codes(there.people[1][1]).next()})
    assert done.status_code == 303
    assert second.get("/account").status_code == 200
    assert entries()[-1]["detail"] == {"way": "emergency"}
    assert "The emergency access is open" in Client().get("/login").content.decode()
    moment.later(hours=2, minutes=1)
    assert second.get("/account").status_code == 302
    assert "The emergency access is open" not in Client().get("/login").content.decode()


def test_closing_it_ends_the_sessions_that_came_in_by_it(there: Sealed, moment: Moment) -> None:
    client = Client()
    give(there.codes[0])
    post_code(client, there.codes[1])
    client.post("/emergency/second-factor", {"code": Codes(there.people[1][1]).next()})
    assert client.get("/account").status_code == 200
    emergency.close(actor=there.fresh(there.rita), at=clock.now(), reason="It works again")
    last = entries()[-1]
    holder = there.people[1][0].id
    assert (last["action"], last["detail"]) == (
        "session.expired",
        {"person": holder, "limit": "closed", "sessions": 1},
    )
    assert client.get("/account").status_code == 302
    page = sign_in(Client(), there.fresh(there.rita)).get("/emergency-access").content.decode()
    assert f"/log?actor={holder}&amp;since={clock.now():%Y-%m-%d}&amp;until=" in page, "the reviewer is led to the log"


def test_the_second_factor_alone_opens_nothing(there: Sealed) -> None:
    client = Client()
    assert client.post("/emergency/second-factor", {"code": "000000"})["Location"] == "/emergency"


def test_guessing_is_limited_logged_and_tells_nothing(there: Sealed) -> None:
    client = Client()
    answers = [post_code(client, new_code()).status_code for _ in range(12)]
    assert answers == [422] * 10 + [429] * 2
    refused = [entry for entry in entries() if entry["action"].startswith("session.")]
    assert {entry["detail"]["way"] for entry in refused} == {"emergency", "limit"}
    assert post_code(Client(), there.codes[0]).status_code == 429


def test_the_page_leads_from_naming_to_the_code_shown_once(db: str) -> None:
    (anna, _), (bob, _) = holder("Anna Berg"), holder("Bob Lund")
    admin = sign_in(Client(), anna)
    assert admin.get("/emergency-access").status_code == 200
    assert admin.post("/emergency-access/holders", {"people": [anna.id], "hours": 2}).status_code == 422
    assert admin.post("/emergency-access/holders", {"people": [anna.id, bob.id], "hours": 2}).status_code == 303
    assert b"Draw my code" in admin.get("/emergency-access").content
    shown = admin.post("/emergency-access/code")
    assert shown.status_code == 200
    assert "no-store" in shown["Cache-Control"]
    assert b"Draw my code" not in admin.get("/emergency-access").content
    assert queries.current().holder(anna.id).code_hash not in admin.get("/emergency-access").content.decode()  # type: ignore[union-attr]


def test_the_log_tells_it_in_words_and_names_both(there: Sealed, moment: Moment) -> None:
    give(there.codes[0])
    give(there.codes[1])
    auditor = sign_in(Client(), add_person("Aud Itor", "auditor"))
    entry = Entry.objects.order_by("-seq").filter(body__contains='"emergency.unsealed"')[0]
    text = auditor.get(f"/log/{entry.seq}").content.decode()
    assert "unsealed the emergency access together with somebody else" in text
    assert "Anna Berg" in text
    assert "Bob Lund" in text
