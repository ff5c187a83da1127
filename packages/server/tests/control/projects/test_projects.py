"""Claims: projects begin protected, presets can't be weakened quietly, tokens are stored as hashes, roles decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from ensign.control.access import presets as set_up
from ensign.control.access.permissions import Permission
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.flags.operations import create_flag, update_flag
from ensign.control.identity.tokens import hashed, is_genuine
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import enforcement, hints, operations, presets, queries, targeting, token_uses, tokens
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.models import ClientToken
from ensign.control.projects.policies import policies, policy, strictest
from ensign.control.segments.operations import create_segment, update_segment
from ensign_testkit.people import SYSTEM, add_person
from ensign_testkit.targets import APPLIED, approval, shop

AT = clock.now() + timedelta(hours=1)  # after the grants that the tests give
CONTROL = "Every Friday the log is read with the customer."


def last() -> Entry:
    return Entry.objects.order_by("-seq")[0]


def test_a_project_begins_with_a_protected_production(db: str) -> None:
    shop()
    rows = queries.environments("shop")
    assert [(r.key, r.position, r.protected) for r in rows] == [
        ("development", 0, False),
        ("staging", 1, False),
        ("production", 2, True),
    ]
    found = policies("shop")
    assert [found[key].approvals for key in ("development", "staging", "production")] == [0, 0, 1]
    assert found["production"].requires_reason
    assert found["production"].enforced_since is not None
    assert found["development"].enforced_since is None
    entry = last()
    assert (entry.action, entry.project, len(json.loads(entry.body)["touch"])) == ("project.created", "shop", 7)


def test_solo_needs_a_compensating_control_and_shows_it(db: str) -> None:
    anna = add_person("Anna", "admin")
    with pytest.raises(Invalid) as caught:
        operations.create_project(actor=anna, at=AT, key="shop", name="Shop", preset="solo")
    assert "compensating_control" in caught.value.fields
    assert queries.projects() == []
    operations.create_project(actor=anna, at=AT, key="shop", name="Shop", preset="solo", compensating_control=CONTROL)
    view = policy("shop", "production")
    assert (view.approvals, view.protected, view.without_approval) == (0, True, True)
    assert CONTROL in view.sentence
    assert view.enforced_since is None


def test_set_up_and_projects_call_a_preset_by_the_same_key_and_ask_for_the_same() -> None:
    assert {str(key): view.approvals for key, view in set_up.PRESETS.items()} == {
        key: preset.approvals for key, preset in presets.PRESETS.items() if key in {str(one) for one in set_up.Preset}
    }


def test_a_preset_of_the_installation_counts_for_new_projects(db: str) -> None:
    anna = add_person("Anna", "admin")
    assert enforcement.current().preset.key == "small-team"
    view = enforcement.choose_preset(actor=anna, at=AT, preset="solo", compensating_control=CONTROL)
    assert (view.preset.key, view.since) == ("solo", AT)
    operations.create_project(actor=anna, at=AT, key="shop", name="Shop")
    assert policy("shop", "production").compensating_control == CONTROL
    with pytest.raises(Invalid):
        enforcement.choose_preset(actor=anna, at=AT, preset="solo", compensating_control="no")


def test_a_weaker_preset_takes_more_than_creating_projects(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = system("maker")
    rights = {maker.id: frozenset({Permission.ORG_PROJECT_CREATE})}
    monkeypatch.setattr("ensign.control.access.decisions.SYSTEM", rights)
    with pytest.raises(Denied):
        operations.create_project(actor=maker, at=AT, key="shop", name="Shop", preset="open")
    assert operations.create_project(actor=maker, at=AT, key="shop", name="Shop").key == "shop"


@pytest.mark.parametrize("key", ["", "a b", "a/b", "a.b", "a:b", "å", "x" * 101, "new", "..", "[]", "*"])
def test_keys_that_tokens_or_addresses_cannot_hold_are_refused(db: str, key: str) -> None:
    anna = shop()
    with pytest.raises(Invalid) as caught:
        operations.create_project(actor=anna, at=AT, key=key, name="X")
    assert caught.value.fields.keys() == {"key"}
    with pytest.raises(Invalid):
        operations.create_environment(actor=anna, at=AT, project="shop", key=key, name="X")


def test_a_taken_key_is_a_conflict(db: str) -> None:
    anna = shop()
    with pytest.raises(Conflict):
        operations.create_project(actor=anna, at=AT, key="shop", name="X")
    with pytest.raises(Conflict):
        operations.create_environment(actor=anna, at=AT, project="shop", key="staging", name="X")


def test_environments_are_added_last_renamed_and_ordered(db: str) -> None:
    anna = shop()
    operations.create_environment(actor=anna, at=AT, project="shop", key="qa", name="QA", protected=True)
    assert policy("shop", "qa").approvals == 1
    order = ["development", "qa", "staging", "production"]
    rows = operations.order_environments(actor=anna, at=AT, project="shop", order=order)
    assert [row.key for row in rows] == order
    operations.rename_environment(actor=anna, at=AT, project="shop", environment="qa", name="Quality")
    assert queries.environment("shop", "qa").name == "Quality"
    with pytest.raises(Invalid):
        operations.order_environments(actor=anna, at=AT, project="shop", order=order[:3])


def test_an_update_of_another_version_is_refused(db: str) -> None:
    anna = shop()
    operations.update_project(actor=anna, at=AT, project="shop", name="Store", expected_version=1)
    with pytest.raises(Conflict) as caught:
        operations.update_project(actor=anna, at=AT, project="shop", name="Mall", expected_version=1)
    assert caught.value.code == "precondition-failed"
    assert queries.project("shop").name == "Store"


def test_nothing_changed_is_no_entry(db: str) -> None:
    anna = shop()
    before = last().seq
    operations.update_project(actor=anna, at=AT, project="shop", name="Shop")
    assert last().seq == before


def test_only_the_hash_of_a_token_is_stored(db: str) -> None:
    anna = shop()
    heard: list[str] = []
    end = hints.TOKENS.subscribe(heard.append)
    made = tokens.create_token(
        actor=anna, at=AT, name="web", type="backend", projects=["shop"], environment="production"
    )
    prefix, _, secret = made.text.partition(".")
    assert prefix == "shop:production"
    assert is_genuine(secret)
    assert len(secret) == len("ensign_ct_") + 43 + 6
    row = ClientToken.objects.get()
    assert row.token_hash == hashed(made.text)
    assert secret not in row.content
    assert all(secret not in entry.body for entry in Entry.objects.all())
    revoked = tokens.revoke_token(actor=anna, at=AT, id=made.row.id, reason="leaked")
    end()
    assert (revoked.status, revoked.live(at=AT)) == ("revoked", False)
    assert heard == [made.row.id, made.row.id]
    before = last().seq
    tokens.revoke_token(actor=anna, at=AT, id=made.row.id)
    assert last().seq == before


def test_tokens_over_several_and_all_projects_have_the_texts_that_sdks_know(db: str) -> None:
    anna = shop()
    operations.create_project(actor=anna, at=AT, key="bank", name="Bank")

    def text(*keys: str) -> str:
        return tokens.create_token(
            actor=anna, at=AT, name="t", type="frontend", projects=keys, environment="staging"
        ).text.partition(".")[0]

    assert text("shop", "bank") == "[]:staging"
    assert text("*", "shop") == "*:staging"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "admin"}, "type"),
        ({"environment": "*"}, "environment"),
        ({"environment": "nowhere"}, "environment"),
        ({"projects": ["*"], "environment": "nowhere"}, "environment"),
        ({"projects": []}, "projects"),
        ({"projects": ["nobody"]}, "projects"),
        ({"name": " "}, "name"),
        ({"expires_at": AT - timedelta(seconds=1)}, "expires_at"),
    ],
)
def test_a_token_that_reaches_nothing_is_refused(db: str, change: dict[str, object], field: str) -> None:
    anna = shop()
    given = {"name": "t", "type": "backend", "projects": ["shop"], "environment": "production", **change}
    with pytest.raises(Invalid) as caught:
        tokens.create_token(actor=anna, at=AT, **given)
    assert field in caught.value.fields


def test_an_expired_token_is_not_live(db: str) -> None:
    anna = shop()
    made = tokens.create_token(
        actor=anna,
        at=AT,
        name="t",
        type="backend",
        projects=["shop"],
        environment="production",
        expires_at=AT + timedelta(hours=1),
    )
    assert made.row.live(at=AT)
    assert not made.row.live(at=AT + timedelta(hours=1))


def _stage_policy(rules: PolicyRules) -> None:
    with write_door():
        staged = targeting.stage_policy(
            project="shop", environment="production", rules=rules, approved=approval("shop"), at=AT
        )
        record(action=APPLIED, actor=SYSTEM, at=AT, staged=[staged])


def test_an_approved_policy_counts_and_enforcement_keeps_its_beginning(db: str) -> None:
    shop()
    began = policy("shop", "production").enforced_since
    _stage_policy(PolicyRules(approvals=2))
    assert policy("shop", "production").approvals == 2
    assert policy("shop", "production").enforced_since == began
    _stage_policy(PolicyRules(approvals=0, compensating_control=CONTROL))
    assert policy("shop", "production").enforced_since is None
    with pytest.raises(Invalid):
        _stage_policy(PolicyRules(approvals=0))
    with pytest.raises(Invalid):
        _stage_policy(PolicyRules(approvals=11))


def test_a_policy_is_not_staged_for_a_place_that_was_not_approved(db: str) -> None:
    shop()
    with pytest.raises(PermissionError), write_door():
        targeting.stage_policy(
            project="shop",
            environment="production",
            rules=PolicyRules(approvals=1),
            approved=approval("shop", "staging"),
            at=AT,
        )


def test_protecting_an_environment_brings_an_approval(db: str) -> None:
    shop()
    with write_door():
        staged = targeting.stage_protection(
            project="shop", environment="staging", protected=True, approved=approval("shop"), at=AT
        )
        record(action=APPLIED, actor=SYSTEM, at=AT, staged=staged)
    assert (policy("shop", "staging").approvals, policy("shop", "staging").protected) == (1, True)
    assert strictest(policies("shop").values()).environment in {"staging", "production"}


Write = Callable[[Actor], object]
WRITES: dict[str, Write] = {
    "project.create": lambda a: operations.create_project(actor=a, at=AT, key="bank", name="Bank"),
    "preset.choose": lambda a: enforcement.choose_preset(actor=a, at=AT, preset="small-team"),
    "project.update": lambda a: operations.update_project(actor=a, at=AT, project="shop", name="Store"),
    "environment.create": lambda a: operations.create_environment(actor=a, at=AT, project="shop", key="qa", name="QA"),
    "environment.rename": lambda a: operations.rename_environment(
        actor=a, at=AT, project="shop", environment="staging", name="Stage"
    ),
    "environment.order": lambda a: operations.order_environments(
        actor=a, at=AT, project="shop", order=[e.key for e in reversed(queries.environments("shop"))]
    ),
    "token.create": lambda a: tokens.create_token(
        actor=a, at=AT, name="t", type="backend", projects=["shop"], environment="staging"
    ),
    "token.create.all": lambda a: tokens.create_token(
        actor=a, at=AT, name="t", type="backend", projects=["*"], environment="staging"
    ),
    "token.revoke": lambda a: tokens.revoke_token(actor=a, at=AT, id=queries.tokens("shop")[0].id),
    "flag.create": lambda a: create_flag(actor=a, at=AT, project="shop", key="fresh"),
    "flag.update": lambda a: update_flag(actor=a, at=AT, key="checkout", description="d"),
    "segment.create": lambda a: create_segment(actor=a, at=AT, project="shop", key="fresh", name="F"),
    "segment.update": lambda a: update_segment(actor=a, at=AT, project="shop", key="nordic", name="F"),
}
ORGANISATION = {"project.create", "preset.choose"}
MANAGING = {
    *("project.update", "environment.create", "environment.rename", "environment.order"),
    *("token.create", "token.create.all", "token.revoke"),
}
MAKING = {"flag.create", "flag.update", "segment.create", "segment.update"}
#: role, project and environment of the grant -> what it allows in the project shop.
ALLOWED: dict[tuple[str, str | None, str | None], set[str]] = {
    ("admin", None, None): ORGANISATION | MANAGING,
    ("admin", "shop", None): MANAGING - {"token.create.all"},
    ("admin", "other", None): set(),
    ("developer", None, None): MAKING,
    ("developer", "shop", None): MAKING,
    ("developer", "shop", "development"): MAKING,
    ("developer", "other", None): set(),
    ("requester", None, None): set(),
    ("approver", None, None): set(),
    ("viewer", None, None): set(),
    ("auditor", None, None): set(),
}


@pytest.mark.parametrize("grant", ALLOWED, ids=lambda g: "-".join(str(part) for part in g if part))
def test_every_write_asks_for_its_permission_and_a_refusal_is_an_entry(
    db: str, grant: tuple[str, str | None, str | None]
) -> None:
    anna = shop("checkout")
    shop(project="other")
    create_segment(actor=anna, at=AT, project="shop", key="nordic", name="Nordic")
    tokens.create_token(actor=anna, at=AT, name="t", type="backend", projects=["shop"], environment="production")
    role, project, environment = grant
    actor = add_person("Bo", role, project=project, environment=environment)
    for name, write in WRITES.items():
        if name in ALLOWED[grant]:
            write(actor)
            assert last().action != "access.denied", name
            continue
        before = last().seq
        with pytest.raises(Denied):
            write(actor)
        assert (last().seq, last().action, last().actor) == (before + 1, "access.denied", actor.id), name


def test_nobody_signed_in_may_do_nothing(db: str) -> None:
    anna = shop("checkout")
    create_segment(actor=anna, at=AT, project="shop", key="nordic", name="Nordic")
    tokens.create_token(actor=anna, at=AT, name="t", type="backend", projects=["shop"], environment="production")
    for name, write in WRITES.items():
        with pytest.raises(Denied):
            write(ANONYMOUS)
        assert last().action == "access.denied", name


def test_unknown_places_are_not_found(db: str) -> None:
    anna = shop()
    with pytest.raises(NotFound):
        operations.create_environment(actor=anna, at=AT, project="nobody", key="qa", name="QA")
    with pytest.raises(NotFound):
        create_flag(actor=anna, at=AT, project="nobody", key="f")
    with pytest.raises(NotFound):
        policy("shop", "nowhere")


def test_the_last_use_of_a_token_is_kept_never_goes_back_and_writes_no_entry(db: str) -> None:
    anna = shop()
    made = tokens.create_token(
        actor=anna, at=AT, name="SDK", type="backend", projects=["shop"], environment="development"
    )
    assert made.row.last_used_at is None
    before = last().seq
    for minutes in (10, 5):
        token_uses.store({hashed(made.text): AT + timedelta(minutes=minutes), "0" * 64: AT})
    assert queries.token(made.row.id).last_used_at == AT + timedelta(minutes=10)
    assert [row.last_used_at for row in queries.tokens("shop")] == [AT + timedelta(minutes=10)]
    token_uses.store({})
    assert last().seq == before
