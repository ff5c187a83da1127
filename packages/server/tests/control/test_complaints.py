"""Claims: what users of other flag systems complain of cannot happen here. One test for each complaint, by its name.

The numbers are those of the peers' public trackers.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from ensign.control.access import grants
from ensign.control.access.tokens import TokenWish, create_personal
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyReorder
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.settings_operations import PolicySet, SegmentSet
from ensign.control.identity import sign_in
from ensign.control.kernel.errors import Conflict, Denied, NeedsMfa, Unauthenticated
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.tokens import create_token, revoke_token
from ensign.control.segments.domain import Constraint
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    by_token,
    config,
    last_entry,
    launch,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)
from ensign_testkit.people import add_person
from ensign_testkit.people import sign_in as seat
from ensign_testkit.targets import rollout, shop

API = "/api/v1"


def apply(cast: Story, done: door.Proposed, *, by: Any = None, at: Any = None) -> door.Applied:
    return door.apply(actor=by or cast.dev, at=at or cast.at, request_id=done.request.id)


def actions() -> list[str]:
    return list(Entry.objects.order_by("seq").values_list("action", flat=True))


def test_flagsmith_7056_and_4465_editing_an_approved_request_kept_its_approval(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    approve(cast, done)
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, done)
    assert not config().enabled


def test_flagsmith_7568_role_changes_were_not_logged(db: str) -> None:
    cast = story()
    subject = add_person("Nora New", at=cast.at)
    grants.give(actor=cast.admin, at=cast.at, subject=subject.id, wish=grants.Wish(role="viewer"), reason="Joins.")
    entry = last_entry("grant.given")
    assert (entry["actor"]["id"], entry["touch"][0]["version"]) == (cast.admin.id, 1)


def test_flagsmith_7569_authentication_was_not_logged(db: str) -> None:
    cast = story()
    with pytest.raises(Unauthenticated):
        sign_in.authenticate(email="dan.dev@example.com", password="wrong", address="192.0.2.9", at=cast.at)
    assert actions()[-1] == "session.refused"


def test_flagsmith_5227_the_log_did_not_say_which_api_key_acted(db: str) -> None:
    cast = story()
    made = create_personal(actor=cast.dev, at=cast.at, wish=TokenWish(name="laptop"))
    answer = Client().post(
        f"{API}/projects/shop/flags",
        data=json.dumps({"key": "by-key"}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {made.text}"},
    )
    assert answer.status_code == 201
    entry = last_entry("flag.created")
    assert (entry["actor"]["id"], entry["actor"]["via"]) == (cast.dev.id, "token")
    assert entry["actor"]["token"] == made.token.id


def test_flagsmith_2927_a_token_bypassed_the_second_factor(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    with pytest.raises(Denied) as refused:
        approve(cast, done, by=by_token(cast.approver))
    assert refused.value.code == "approval-by-token"
    with pytest.raises(NeedsMfa):
        approve(cast, done, by=add_person("Late Factor", "approver", at=cast.at, mfa=False))


def test_flagsmith_wrote_its_audit_row_later_than_the_change(db: str) -> None:
    cast = story()
    before = config()
    with pytest.raises(ZeroDivisionError), NoEntry():
        live(cast, 10)
    assert config() == before
    assert "change_request.applied" not in actions()


class NoEntry:
    """Whatever is written within must not be there afterwards, state and entry alike."""

    def __enter__(self) -> None:
        from ensign.control.changes import applying  # deferred: patched only while this runs

        self._kept, self._module = applying.record, applying
        applying.record = self._fail  # type: ignore[assignment]  # raises instead

    def _fail(self, **_kwargs: Any) -> None:
        raise ZeroDivisionError

    def __exit__(self, *_error: object) -> None:
        self._module.record = self._kept


def test_flipt_2710_a_reorder_was_not_logged(db: str) -> None:
    cast = story()
    live(cast, 10)
    more = requested(cast, (StrategyAdd(flag=FLAG, strategy=rollout(30)),))
    approve(cast, more)
    apply(cast, more)
    order = tuple(s.id for s in reversed(config().strategies))
    moved = requested(cast, (StrategyReorder(flag=FLAG, order=order),))
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, moved)
    approve(cast, moved)
    apply(cast, moved)
    assert last_entry("change_request.applied")["detail"]["operations"] == ["strategy.reorder"]
    assert tuple(s.id for s in config().strategies) == order


def test_flipt_3147_a_denied_authorisation_was_not_logged(db: str) -> None:
    cast = story()
    with pytest.raises(Denied):
        requested(cast, launch(), author=cast.viewer)
    entry = last_entry("access.denied")
    assert entry["actor"]["id"] == cast.viewer.id


def test_flipt_1_61_1_stopped_logging_in_silence(db: str) -> None:
    """A change whose entry cannot be written does not happen."""
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    with pytest.raises(ZeroDivisionError), NoEntry():
        apply(cast, done)
    assert not config().enabled
    apply(cast, done)
    assert config().enabled


def test_growthbook_4465_changes_of_api_keys_were_invisible_in_the_log(db: str) -> None:
    cast = story()
    made = create_token(
        actor=cast.admin, at=cast.at, name="sdk", type="backend", projects=["shop"], environment="production"
    )
    revoke_token(actor=cast.admin, at=cast.at, id=made.row.id, reason="Rotated.")
    assert actions()[-2:] == ["client_token.created", "client_token.revoked"]
    assert made.text not in "".join(Entry.objects.values_list("body", flat=True))


def test_growthbook_4310_a_revert_skipped_approval(db: str) -> None:
    cast = story()
    live(cast, 10)
    applied = last_entry("change_request.applied")["detail"]["request"]
    undo = door.revert(actor=cast.dev, at=cast.at, request_id=applied, reason="Errors.")
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, undo)
    assert config().enabled


def test_growthbook_autopublish_on_the_server_bypassed_approval(db: str) -> None:
    """Applying at once with the last approval is the policy's word, and still asks for all of them."""
    cast = story()
    two = door.propose(
        actor=cast.admin,
        at=cast.at,
        project="shop",
        environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=2, apply_on_last_approval=True)),),
        title="Two, at once",
        reason="Two teams.",
    )
    approve(cast, two)
    apply(cast, two, by=cast.admin)
    done = requested(cast, launch())
    first = door.review_and_apply(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    assert (first.applied, config().enabled) == (None, False)
    last = door.review_and_apply(
        actor=cast.second, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    assert last.applied is not None
    assert config().enabled


def test_posthog_applied_by_was_set_to_the_creator(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    applied = apply(cast, done, by=cast.approver)
    assert applied.request.applied_by == cast.approver.id
    assert applied.request.author == cast.dev.id


def test_posthog_3073_logs_of_several_years_were_asked_for(db: str) -> None:
    """Entries have no end: nothing in the application can delete one, and the export takes any period."""
    story()
    size, table = Entry.objects.count(), Entry._meta.db_table
    for attack in (f"DELETE FROM {table} WHERE seq = 0", f"UPDATE {table} SET body = '' WHERE seq = 0"):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(attack)
        connection.close()
    assert Entry.objects.count() == size


def test_unleash_administrators_approve_and_apply_their_own(db: str) -> None:
    cast = story()
    both = add_person("All Roles", "admin", "developer", "approver", at=cast.at)
    done = requested(cast, launch(), author=both)
    with pytest.raises(Denied) as refused:
        approve(cast, done, by=both)
    assert refused.value.code == "own-change"
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, done, by=both)


def test_unleash_10333_an_event_was_lost_between_two_transactions(db: str) -> None:
    """Whatever a person can make has its entry: there is a document for each version of each governed row."""
    cast = story()
    live(cast, 10)
    assert rows_equal_the_log()
    applied = last_entry("change_request.applied")
    assert {touch["object"].partition(":")[0] for touch in applied["touch"]} >= {"change_request", "ruleset"}
    assert inspect.verify().ok


def test_unleash_an_export_held_the_page_on_the_screen_only(db: str) -> None:
    cast = story()
    for percent in range(1, 61):
        live(cast, percent) if percent == 1 else step(cast, percent)
    client = seat(Client(), add_person("Aud Itor", "auditor", at=cast.at))
    period = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z", "project": "shop"}
    answer = client.post(f"{API}/exports/changes", data=json.dumps(period), content_type="application/json")
    assert answer.status_code == 200, answer.content
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert len({row["seq"] for row in rows if row["object_type"] == "flag_config"}) >= 60


def step(cast: Story, percent: int) -> None:
    done = requested(cast, widen(percent))
    approve(cast, done)
    apply(cast, done)


def test_devcycle_deleting_a_flag_deleted_its_log(db: str) -> None:
    cast = story()
    live(cast, 10)
    size = Entry.objects.count()
    done = requested(cast, (FlagArchive(flag=FLAG),))
    approve(cast, done)
    apply(cast, done)
    assert Entry.objects.count() > size
    named = [body for body in Entry.objects.values_list("body", flat=True) if "config" in body]
    assert named


def test_unleash_cve_2026_77426_a_permission_check_was_not_awaited(db: str) -> None:
    """Every check is a call that raises: without the right nothing is written, through the API as well."""
    cast = story()
    client = seat(Client(), cast.viewer)
    size = Entry.objects.exclude(action="access.denied").count()
    for path, body in (
        (f"{API}/projects/shop/flags", {"key": "not-mine"}),
        (f"{API}/projects/shop/environments/production/changes", {"operations": [FlagEnable(flag=FLAG).to_json()]}),
        (f"{API}/projects/shop/flags/{FLAG}/environments/production/kill", {}),
    ):
        answer = client.post(path, data=json.dumps(body), content_type="application/json")
        assert answer.status_code == 403, (path, answer.content)
    assert Entry.objects.exclude(action="access.denied").count() == size


def test_launchdarkly_339_and_370_approvals_of_segments_could_not_be_automated(db: str) -> None:
    """A script proposes a segment's rules like anything else; a person approves; a script applies."""
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="beta", name="Beta")
    made = create_personal(actor=cast.dev, at=cast.at, wish=TokenWish(name="terraform"))
    script = replace(by_token(cast.dev), token_id=made.token.id)
    rule = Constraint(context_name="country", operator="IN", values=("NO",))
    done = requested(cast, (SegmentSet(segment="beta", constraints=(rule,)),), author=script)
    assert done.request.status == "in_review"
    approve(cast, done)
    assert apply(cast, done, by=script).request.status == "applied"


def test_an_approval_does_not_outlive_its_week(db: str) -> None:
    """GrowthBook and others keep approvals for ever."""
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    late = cast.at + timedelta(days=7, seconds=1)
    with pytest.raises(Conflict, match="expired"):
        apply(cast, done, at=late)


def test_a_project_cannot_reach_into_another_one(db: str) -> None:
    """Unleash CVE-2026-77425: a reorder in one project altered flags of another."""
    cast = story()
    shop("their-flag", project="bank")
    insider = add_person("Only Shop", "developer", project="shop", at=cast.at)
    with pytest.raises((Denied, Conflict)):
        door.propose(
            actor=insider,
            at=cast.at,
            project="bank",
            environment="production",
            operations=(FlagEnable(flag="their-flag"),),
        )
    size = Entry.objects.filter(action="change_request.submitted").count()
    with pytest.raises(Exception, match="their-flag"):
        door.propose(
            actor=insider,
            at=cast.at,
            project="shop",
            environment="production",
            operations=(FlagEnable(flag="their-flag"),),
        )
    assert Entry.objects.filter(action="change_request.submitted").count() == size
