"""Claims: the pages of projects, segments, flags and the playground answer, keep what was typed, and ask for rights."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import Constraint, FlagConfig
from ensign.control.identity.tokens import hashed
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects import queries, token_uses, tokens
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import put, put_segment, rollout, shop

SE = Constraint(context_name="country", operator="IN", values=("SE", "NO"))
PAGES = [
    "/projects",
    "/projects/defaults",
    "/projects/shop",
    "/flags",
    "/flags?q=check",
    "/projects/shop/flags",
    "/projects/shop/flags?q=nothing-has-this",
    "/projects/shop/flags?on=production&type=release&stale=1",
    "/projects/shop/flags/checkout",
    "/projects/shop/segments",
    "/projects/shop/segments/nordic",
    "/playground",
    "/playground?project=shop&flag=checkout",
]
FORMS = [
    "/projects/new",
    "/projects/shop/tokens/new",
    "/projects/shop/flags/new",
    "/projects/shop/flags/checkout/describe",
    "/projects/shop/flags/checkout/environments/production/strategies/new",
    "/projects/shop/flags/checkout/environments/production/strategies/new?type=remoteAddress",
    "/projects/shop/segments/new",
    "/projects/shop/segments/nordic/environments/production",
]


@pytest.fixture
def anna(db: str) -> Actor:
    """The administrator and developer of a project with a flag and a segment in use."""
    anna = shop("checkout", "menu")
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="The Nordics")
    put_segment("nordic", SegmentConfig(constraints=(SE,)))
    strategy = rollout(50, segments=("nordic",), constraints=(SE,))
    put({"checkout": FlagConfig(enabled=True, strategies=(strategy, rollout(10)))})
    return anna


@pytest.fixture
def client(anna: Actor) -> Client:
    """Anna's browser."""
    return sign_in(Client(), anna)


@pytest.mark.parametrize("address", PAGES + FORMS)
def test_every_page_answers(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200
    assert b"<h1" in response.content


@pytest.mark.parametrize("address", PAGES + FORMS)
def test_nobody_reads_a_page_without_signing_in(anna: Actor, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/login")


@pytest.mark.parametrize("address", [a for a in PAGES + FORMS if "/shop" in a])
def test_a_project_is_closed_to_those_without_a_role_in_it(anna: Actor, address: str) -> None:
    stranger = add_person("Bo", "developer", project="bank")
    assert sign_in(Client(), stranger).get(address).status_code == 403


def test_lists_across_projects_show_only_what_one_may_read(anna: Actor) -> None:
    stranger = sign_in(Client(), add_person("Bo", "developer", project="bank"))
    for address in ("/projects", "/flags", "/playground"):
        content = stranger.get(address).content.decode()
        assert "checkout" not in content
        assert "projects/shop" not in content


def test_the_flag_page_says_the_rules_and_shows_all_environments(client: Client) -> None:
    content = client.get("/projects/shop/flags/checkout").content.decode()
    for text in ("Rollout to 50 % of users", "The Nordics", "is one of", "Development", "Staging", "Production"):
        assert text in content
    assert "A change needs the approval of one other person." in content
    assert 'action="/projects/shop/environments/production/draft"' in content


def test_the_project_page_says_in_words_which_preset_a_policy_came_from(client: Client) -> None:
    assert "<dt>Preset</dt><dd>Small team</dd>" in client.get("/projects/shop").content.decode()


def test_a_viewer_sees_no_acts(anna: Actor) -> None:
    viewer = sign_in(Client(), add_person("Vera", "viewer"))
    content = viewer.get("/projects/shop/flags/checkout").content.decode()
    assert "/draft" not in content
    assert "/kill" not in content.replace("/kills", "")


def test_a_project_is_made_and_refused_input_stays(client: Client) -> None:
    typed = {"name": "Bank", "key": "a/b", "preset": "small-team", "description": "kept"}
    response = client.post("/projects/new", typed)
    assert response.status_code == 422
    assert "kept" in response.content.decode()
    assert "Use 1 to 100 letters" in response.content.decode()
    response = client.post("/projects/new", {**typed, "key": "bank"})
    assert (response.status_code, response["Location"]) == (302, "/projects/bank")
    assert queries.project("bank").description == "kept"


def test_solo_without_a_control_is_refused_in_the_form(client: Client) -> None:
    response = client.post("/projects/new", {"name": "B", "key": "bank", "preset": "solo"})
    assert response.status_code == 422
    assert "what is done instead of an approval" in response.content.decode()


def test_a_flag_is_made_and_described(client: Client) -> None:
    response = client.post("/projects/shop/flags/new", {"key": "fresh", "type": "release", "tags": "b, a"})
    assert response["Location"] == "/projects/shop/flags/fresh"
    assert flags.flag("fresh").info.tags == ("a", "b")
    response = client.post("/projects/shop/flags/new", {"key": "fresh", "type": "release"})
    assert response.status_code == 422
    assert "already" in response.content.decode()
    typed = {"type": "permission", "description": "Who may", "owner": "", "tags": "", "expected_removal_on": ""}
    assert client.post("/projects/shop/flags/fresh/describe", typed).status_code == 302
    info = flags.flag("fresh").info
    assert (info.type, info.owner, info.expected_removal_on) == ("permission", "", None)


def test_a_token_is_shown_once_and_revoked(client: Client) -> None:
    typed = {"name": "web", "type": "backend", "environment": "production", "expires_on": ""}
    response = client.post("/projects/shop/tokens/new", typed)
    text = response.content.decode()
    assert "shop:production." in text
    assert "no-store" in response["Cache-Control"]
    assert "shop:production." not in client.get("/projects/shop").content.decode()
    row = queries.tokens("shop")[0]
    assert row.expires_at is not None
    assert timedelta(days=364) < row.expires_at - clock.now() <= timedelta(days=365)
    assert client.post("/projects/shop/tokens/new", {**typed, "name": "Oslo", "type": "edge"}).status_code == 200
    assert [token.type for token in queries.tokens("shop")] == ["edge", "backend"]
    client.post(f"/projects/shop/tokens/{row.id}/revoke", {"reason": "leaked"})
    assert queries.token(row.id).status == "revoked"
    assert client.post("/projects/shop/tokens/new", {**typed, "expires_on": "2020-01-01"}).status_code == 422


def test_writes_ask_for_a_role(anna: Actor) -> None:
    made = tokens.create_token(
        actor=anna, at=clock.now(), name="t", type="backend", projects=["shop"], environment="staging"
    )
    viewer = sign_in(Client(), add_person("Vera", "viewer"))
    writes = {
        "/projects/new": {"name": "B", "key": "bank", "preset": "small-team"},
        "/projects/defaults": {"preset": "open"},
        "/projects/shop/update": {"name": "B", "default_stickiness": "default"},
        "/projects/shop/environments/new": {"name": "QA", "key": "qa"},
        "/projects/shop/environments/staging/move": {},
        "/projects/shop/tokens/new": {"name": "t", "type": "backend", "environment": "staging"},
        f"/projects/shop/tokens/{made.row.id}/revoke": {},
        "/projects/shop/flags/new": {"key": "f", "type": "release"},
        "/projects/shop/flags/checkout/describe": {"type": "release", "description": "x"},
        "/projects/shop/segments/new": {"name": "s", "key": "s"},
        "/projects/shop/segments/nordic": {"name": "s"},
    }
    for address, typed in writes.items():
        assert viewer.post(address, typed).status_code == 403, address


def test_writes_ask_for_the_csrf_token(anna: Actor) -> None:
    strict = sign_in(Client(enforce_csrf_checks=True), anna)
    assert strict.post("/projects/new", {"name": "B", "key": "bank", "preset": "small-team"}).status_code == 403


def test_the_editor_grows_and_shrinks_without_a_script(client: Client) -> None:
    address = "/projects/shop/flags/checkout/environments/production/strategies/new"
    typed = {"name": "flexibleRollout", "param-rollout": "7", "constraint-0-context_name": "plan", "title": "Mine"}
    grown = client.post(address, {**typed, "act": "add-constraint"}).content.decode()
    assert 'name="constraint-1-context_name"' in grown
    assert 'value="plan"' in grown
    assert 'value="Mine"' in grown
    shrunk = client.post(address, {**typed, "act": "remove-constraint-0"}).content.decode()
    assert 'name="constraint-0-context_name"' not in shrunk
    assert 'name="variant-0-name"' in client.post(address, {**typed, "act": "add-variant"}).content.decode()


def test_the_editor_of_a_stored_strategy_holds_it(client: Client) -> None:
    stored = flags.config("checkout", "development").config.strategies[0]
    address = f"/projects/shop/flags/checkout/environments/development/strategies/{stored.id}"
    content = client.get(address).content.decode()
    for text in ('value="strategy.update"', f'value="{stored.id}"', "SE\nNO", 'value="50"', "checked"):
        assert text in content
    assert client.get(address[:-3] + "zzz").status_code == 404


def test_the_playground_explains_which_rule_decided(client: Client) -> None:
    typed = {"place": "shop/development", "userId": "7", "properties": "country=SE"}
    content = client.post("/playground", {**typed, "flag": "checkout"}).content.decode()
    assert "Strategy 1" in content
    assert "the context says SE" in content
    assert "Bucket" in content
    assert "checkout" in client.post("/playground", typed).content.decode()
    wrong = client.post("/playground", {**typed, "properties": "nonsense"})
    assert wrong.status_code == 422
    assert "Line 1" in wrong.content.decode()


def test_hostile_names_are_shown_as_text(client: Client) -> None:
    client.post("/projects/shop/update", {"name": "<script>alert(1)</script>", "default_stickiness": "default"})
    content = client.get("/projects/shop").content.decode()
    assert "<script>alert" not in content
    assert "&lt;script&gt;" in content


@pytest.mark.slow
def test_a_thousand_flags_are_listed_on_one_page(db: str) -> None:
    keys = [f"team-{n % 20}.feature-number-{n}" for n in range(1000)]
    client = sign_in(Client(), shop(*keys))
    for environment in ("development", "staging", "production"):
        for start in range(0, 1000, 250):
            part = keys[start : start + 250]
            put(
                {key: FlagConfig(enabled=True, strategies=(rollout(n % 101),)) for n, key in enumerate(part)},
                environment=environment,
            )
    assert client.get("/projects/shop/flags").content.count(b"<tr>") == 1001


def test_the_list_of_tokens_says_when_each_was_last_used(anna: Actor, client: Client) -> None:
    at = clock.now()
    for name in ("used", "idle"):
        made = tokens.create_token(
            actor=anna, at=at, name=name, type="backend", projects=["shop"], environment="development"
        )
        if name == "used":
            token_uses.store({hashed(made.text): at})
    content = client.get("/projects/shop").content.decode()
    row = {name: content.split(f'<th scope="row">{name}</th>')[1].split("</tr>")[0] for name in ("used", "idle")}
    assert 'data-label="Last used"><span><time' in row["used"]
    assert 'data-label="Last used"><span><span class="muted">never</span>' in row["idle"]
