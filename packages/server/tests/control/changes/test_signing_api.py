"""Claims: the API asks a passkey and takes its answer in a session, shows signatures and keys, and never to a token."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from ensign.control.access.domain import Scope
from ensign.control.access.tokens import TokenWish, create_personal
from ensign.control.changes import operations as door
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.identity.approval_keys import queries as key_queries
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.changing import Story, launch, requested, story
from ensign_testkit.passkeys import as_browser, challenge_in, signer
from ensign_testkit.people import sign_in


def signed_story() -> Story:
    cast = story()
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=1, further=Demand(signed=True))),),
        title="Sign approvals", reason="The auditors ask for it.",
    )  # fmt: skip
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    return cast


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")


def test_an_approval_is_asked_for_signed_and_shown(db: str) -> None:
    cast = signed_story()
    passkey, done = signer(cast.approver), requested(cast, launch())
    client, path = sign_in(Client(), cast.approver), f"/changes/{done.request.id}"
    seen = {"digest": done.request.digest}
    refused = post(client, f"{path}/approve", seen)
    assert (refused.status_code, refused.json()["code"]) == (409, "signature-required")
    stale = post(client, f"{path}/approval-question", {**seen, "round": 2})
    assert (stale.status_code, stale.json()["code"]) == (409, "digest-mismatch")
    asked = post(client, f"{path}/approval-question", {**seen, "round": 1})
    assert asked.status_code == 200, asked.content
    assert asked.json()["publicKey"]["userVerification"] == "required"
    answer = json.loads(as_browser(passkey, passkey.sign(challenge_in(asked.json()))))
    approved = post(client, f"{path}/approve", {**seen, "answer": answer})
    assert approved.status_code == 200, approved.content
    assert approved.json()["approvals"][0]["signed"] is True
    [shown] = sign_in(Client(), cast.viewer).get(f"/api/v1{path}/signatures").json()
    assert (shown["person"], shown["holds"], shown["problem"]) == (cast.approver.id, True, "")
    assert shown["sentences"] == approved.json()["sentences"]
    key = key_queries.of_person(cast.approver.id)[0].id
    assert shown["key"] == key
    revoked = post(client, f"/approval-keys/{key}/revoke", {})
    assert revoked.json()[0]["because"] == "owner"
    assert client.get(f"/api/v1{path}").json()["approvals"][0]["lost"] == "its key was revoked"
    [shown] = client.get(f"/api/v1{path}/signatures").json()
    assert (shown["holds"], shown["problem"]) == (False, "its key was revoked")


def test_a_token_asks_for_no_signature(db: str) -> None:
    cast = signed_story()
    signer(cast.approver)
    done = requested(cast, launch())
    wish = TokenWish(name="script", days=5, scope=Scope("shop"))
    text = create_personal(actor=cast.approver, at=cast.at, wish=wish).text
    client = Client(headers={"Authorization": f"Bearer {text}"})
    refused = post(client, f"/changes/{done.request.id}/approval-question", {"digest": done.request.digest, "round": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "approval-by-token")


def test_keys_of_others_are_seen_by_who_reads_the_log(db: str) -> None:
    cast = story()
    signer(cast.approver)
    path = f"/api/v1/approval-keys?person={cast.approver.id}"
    assert sign_in(Client(), cast.viewer).get(path).status_code == 403
    assert len(sign_in(Client(), cast.admin).get(path).json()) == 1
    assert len(sign_in(Client(), cast.admin).get("/api/v1/approval-keys?person=*").json()) == 1
    assert sign_in(Client(), cast.admin).get("/api/v1/approval-keys").json() == []
