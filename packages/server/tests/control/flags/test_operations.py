"""Claims: a new flag is off everywhere and unique; what was approved is written, what was not is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ensign.control.audit.models import Entry
from ensign.control.flags import listing, queries, targeting
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig
from ensign.control.flags.operations import create_flag, update_flag
from ensign.control.flags.surroundings import check, children
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects.domain import ApprovedChange
from ensign.control.publishing.models import Revision
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign_testkit.targets import approval, put, put_info, put_segment, rollout, shop

AT = clock.now() + timedelta(hours=1)  # after the grants that the tests give
ON = FlagConfig(enabled=True)


def test_a_new_flag_is_off_everywhere_and_unknown_to_sdks(db: str) -> None:
    anna = shop("checkout")
    row = queries.flag("checkout")
    assert row.info.owner == anna.id
    assert queries.config("checkout", "production").config == FlagConfig()
    assert queries.configs_of("checkout") == {}
    assert not Revision.objects.exists()


def test_the_lifetime_of_its_type_says_when_it_should_go(db: str) -> None:
    anna = shop("checkout")
    row = queries.flag("checkout")
    made = clock.parse(row.info.created_at)
    assert row.info.expected_removal_on == (made + timedelta(days=40)).date().isoformat()
    assert not listing.stale(row.info, at=made + timedelta(days=40))
    assert listing.stale(row.info, at=made + timedelta(days=41))
    lasting = create_flag(actor=anna, at=AT, project="shop", key="stop", type="kill-switch")
    assert lasting.info.expected_removal_on is None


def test_a_key_is_unique_across_projects_archived_ones_too(db: str) -> None:
    anna = shop("checkout")
    shop(project="bank")
    put_info("checkout", archived=True)
    with pytest.raises(Conflict):
        create_flag(actor=anna, at=AT, project="bank", key="checkout")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"key": "a/b"}, "key"),
        ({"key": "new"}, "key"),
        ({"key": "å"}, "key"),
        ({"type": "forever"}, "type"),
        ({"owner": "usr_nobody"}, "owner"),
        ({"owner": "grp_nobody"}, "owner"),
        ({"tags": ["with space"]}, "tags"),
        ({"description": "x" * 2001}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"expected_removal_on": "tomorrow"}, "expected_removal_on"),
    ],
)
def test_bad_metadata_names_its_field(db: str, given: dict[str, object], field: str) -> None:
    anna = shop()
    with pytest.raises(Invalid) as caught:
        create_flag(actor=anna, at=AT, **{"project": "shop", "key": "f", **given})
    assert field in caught.value.fields


def test_an_update_changes_what_was_named_and_nothing_else(db: str) -> None:
    anna = shop("checkout")
    before = queries.flag("checkout").info
    after = update_flag(actor=anna, at=AT, key="checkout", tags=["b", "a"], expected_removal_on="").info
    assert (after.tags, after.expected_removal_on) == (("a", "b"), None)
    assert (after.description, after.owner, after.type) == (before.description, before.owner, before.type)
    count = Entry.objects.count()
    update_flag(actor=anna, at=AT, key="checkout", tags=["a", "b"])
    assert Entry.objects.count() == count


def test_nothing_is_staged_without_an_approval_that_covers_it(db: str) -> None:
    shop("checkout")
    narrow = ApprovedChange(change="crq_x", digest="", project="shop", environments=frozenset({"staging"}))
    arguments = {"flag_key": "checkout", "project": "shop", "config": ON, "approved": narrow, "at": AT}
    with pytest.raises(PermissionError), write_door():
        targeting.stage_config(environment="production", **arguments)
    with pytest.raises(PermissionError), write_door():
        targeting.stage_info(flag_key="checkout", approved=approval("shop", "production"), archived=True)


def test_an_archived_flag_cannot_be_configured_and_a_parent_not_archived(db: str) -> None:
    shop("parent", "child", "gone")
    put({"parent": ON})
    put({"child": FlagConfig(enabled=True, dependencies=(Dependency(flag="parent"),))})
    assert children("parent", project="shop") == {"child"}
    with pytest.raises(Conflict) as caught:
        put_info("parent", archived=True)
    assert "child" in caught.value.message
    put_info("gone", archived=True)
    with pytest.raises(Conflict):
        put({"gone": ON})


def test_dependencies_are_one_level_deep_across_one_change(db: str) -> None:
    shop("a", "b", "c")
    put({"a": ON})
    put({"b": FlagConfig(enabled=True, dependencies=(Dependency(flag="a"),))})
    with pytest.raises(Invalid):
        put({"c": FlagConfig(dependencies=(Dependency(flag="b"),))})
    with pytest.raises(Invalid):
        put({"c": ON, "a": FlagConfig(dependencies=(Dependency(flag="c"),))})
    # The same change may turn the relation round, when it also removes the old one.
    put({"c": ON, "b": FlagConfig(), "a": FlagConfig(dependencies=(Dependency(flag="c"),))})


def test_a_segment_must_be_defined_where_it_is_used(db: str) -> None:
    anna = shop("checkout")
    create_segment(actor=anna, at=AT, project="shop", key="nordic", name="Nordic")
    config = FlagConfig(enabled=True, strategies=(rollout(10, segments=("nordic",)),))
    with pytest.raises(Invalid):
        put({"checkout": config})
    checked = check(config, flag_key="checkout", environment="development", segments={"nordic"})
    assert checked.config.enabled
    nordic = SegmentConfig(constraints=(Constraint(context_name="country", operator="IN", values=("SE",)),))
    put_segment("nordic", nordic, environment="development")
    put({"checkout": config})
    with pytest.raises(Invalid):
        put({"checkout": config}, environment="production")
    with pytest.raises(Invalid):
        put_segment("nordic", SegmentConfig())


def test_warnings_come_with_the_canonical_content(db: str) -> None:
    shop("checkout")
    constraint = Constraint(context_name="email", operator="IN", values=("anna@example.com",))
    config = FlagConfig(strategies=(rollout(10, constraints=(constraint,)),))
    checked = check(config, flag_key="checkout", environment="development")
    assert "e-mail" in checked.warnings[0].message


def test_the_list_shows_every_environment_and_filters(db: str) -> None:
    anna = shop("alpha", "beta", "gamma")
    update_flag(actor=anna, at=AT, key="beta", tags=["team:checkout"], description="The blue button")
    put({"alpha": FlagConfig(enabled=True, strategies=(rollout(25), rollout(50)))}, environment="production")
    put_info("gamma", archived=True)

    def keys(at: object = AT, **filters: object) -> list[str]:
        found = listing.read(listing.Filters(**filters), at=at, project="shop")  # type: ignore[arg-type]
        return [row.info.key for row in found.rows]

    rows = {row.info.key: row for row in listing.read(listing.Filters(), at=AT, project="shop").rows}
    assert rows["alpha"].cells["production"] == listing.Cell(state="on", rollout=50, strategies=2)
    assert "development" not in rows["alpha"].cells
    assert keys() == ["alpha", "beta"]
    assert keys(archived=True) == ["gamma"]
    assert keys(on="production") == ["alpha"]
    assert keys(off="production") == ["beta"]
    assert keys(tag="team:checkout") == keys(text="BLUE") == ["beta"]
    assert keys(stale=True) == []
    assert keys(AT + timedelta(days=50), stale=True) == ["alpha", "beta"]
    page = listing.read(listing.Filters(), at=AT, project="shop", limit=1)
    assert (page.total, page.after) == (2, "alpha")
    rest = listing.read(listing.Filters(), at=AT, project="shop", limit=1, after="alpha")
    assert ([r.info.key for r in rest.rows], rest.after) == (["beta"], "")


def test_unknown_flags_are_not_found(db: str) -> None:
    anna = shop()
    with pytest.raises(NotFound):
        update_flag(actor=anna, at=AT, key="nobody", description="x")
    with pytest.raises(NotFound):
        put({"nobody": ON})
