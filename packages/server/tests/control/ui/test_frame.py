"""Claims: the shell leads everywhere and shows what waits, at a fixed price; home, settings and search tell no more
than the person may read."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from ensign.control.changes import operations as door
from ensign.control.identity.models import Account
from ensign.control.incidents import operations as incidents
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects.operations import create_project
from ensign.control.ui import context
from ensign_testkit.changing import FLAG, Story, approve, launch, requested, story
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import shop

LABELS = [room.label for _, rooms in context.ROOMS for room in rooms]


@pytest.fixture
def cast(db: str) -> Story:
    return story()


def at_page(actor: Actor, path: str = "/", **cookies: str) -> Client:
    """Somebody's browser."""
    client = sign_in(Client(), actor)
    for name, value in cookies.items():
        client.cookies[name] = value
    return client


def shell_of(actor: Actor, path: str = "/", **cookies: str) -> context.looks.Shell:
    """The shell that a page at ``path`` shows to ``actor``."""
    request = RequestFactory().get(path)
    request.user = Account.objects.select_related("person").get(person_id=actor.id)
    request.session = {}  # type: ignore[assignment]  # nothing is kept in it here
    request.COOKIES.update(cookies)
    request.resolver_match = resolve(path)
    return context.build_shell(request)


def test_an_administrator_sees_every_room_and_each_answers(cast: Story) -> None:
    rooms = [item for group in shell_of(cast.admin).nav for item in group.items]
    assert [room.label for room in rooms] == LABELS
    client = at_page(cast.admin)
    answers = {room.label: client.get(room.href).status_code for room in rooms}
    assert answers == dict.fromkeys(LABELS, 200)


def test_each_room_marks_itself_and_no_other_as_current(cast: Story) -> None:
    for room in [item for group in shell_of(cast.admin).nav for item in group.items]:
        shown = shell_of(cast.admin, room.href.split("?")[0])
        assert [i.label for g in shown.nav for i in g.items if i.current] == [room.label]


def test_shortcuts_are_one_for_each_room() -> None:
    letters = [room.shortcut for _, rooms in context.ROOMS for room in rooms]
    assert len(set(letters)) == len(letters)


def test_the_shell_costs_four_queries_however_much_there_is(cast: Story) -> None:
    for _ in range(5):
        requested(cast, launch())
    for number in range(20):
        create_project(actor=cast.admin, at=cast.at, key=f"p{number}", name=f"P {number}", preset="small-team")
    request = RequestFactory().get("/settings")
    request.user = Account.objects.select_related("person").get(person_id=cast.approver.id)
    request.session = {}  # type: ignore[assignment]  # nothing is kept in it here
    request.resolver_match = resolve("/settings")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        shell = context.build_shell(request)
    assert len(shell.projects) == 21
    assert len(queries) <= 4, [query["sql"] for query in queries]


def test_requests_shows_how_many_wait_for_whom(cast: Story) -> None:
    requested(cast, launch())

    def count(actor: Actor) -> int:
        return sum(item.count for group in shell_of(actor).nav for item in group.items)

    assert [count(actor) for actor in (cast.approver, cast.second, cast.dev, cast.viewer)] == [1, 1, 0, 0]


def test_the_switcher_holds_only_projects_that_one_may_read_and_keeps_the_room(cast: Story) -> None:
    create_project(actor=cast.admin, at=cast.at, key="hidden", name="Hidden", preset="small-team")
    guest = add_person("Gus Guest", "viewer", project="shop")
    assert [choice.label for choice in shell_of(guest).projects] == ["Shop"]
    both = shell_of(cast.admin, "/projects/shop/flags")
    assert [(c.label, c.href, c.current) for c in both.projects] == [
        ("Hidden", "/projects/hidden/flags", False),
        ("Shop", "/projects/shop/flags", True),
    ]
    one_flag = shell_of(cast.admin, f"/projects/shop/flags/{FLAG}")
    assert one_flag.projects[0].href == "/projects/hidden/flags"


def test_the_project_looked_at_last_is_remembered_but_never_beyond_ones_rights(cast: Story) -> None:
    create_project(actor=cast.admin, at=cast.at, key="zebra", name="Zebra", preset="small-team")
    client = at_page(cast.admin)
    client.get("/projects/zebra/flags")
    assert client.cookies["ensign_project"].value == "zebra"
    assert b'href="/projects/zebra/segments"' in client.get("/").content
    guest = add_person("Gus Guest", "viewer", project="shop")
    assert shell_of(guest, ensign_project="zebra").project == "Shop"


def test_who_has_no_role_sees_no_project_and_no_people_room(db: str) -> None:
    shop()
    nobody = add_person("Nils Nobody")
    labels = [item.label for group in shell_of(nobody).nav for item in group.items]
    assert "Flags" not in labels
    assert "People & access" not in labels
    answer = at_page(nobody).get("/")
    assert "You see no project yet" in answer.content.decode()


def test_every_page_names_the_person_and_lets_them_sign_out(cast: Story) -> None:
    page = at_page(cast.dev).get("/").content.decode()
    assert "Dan Dev" in page
    assert f'action="{reverse("identity:sign-out")}"' in page
    assert f'href="{reverse("identity:security")}"' in page


def test_strangers_are_sent_to_sign_in(db: str) -> None:
    for path in ("/", "/settings", "/commands?q=a"):
        answer = Client().get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login?next=")


def test_home_shows_a_review_to_who_may_give_it_and_progress_to_its_author(cast: Story) -> None:
    done = requested(cast, launch())
    reviewer = at_page(cast.approver).get("/").content.decode()
    assert "Review it" in reviewer
    assert "waits for your approval" in reviewer
    author = at_page(cast.dev).get("/").content.decode()
    assert "Review it" not in author
    assert "waits for somebody else" in author
    approve(cast, done)
    assert "Apply it" in at_page(cast.dev).get("/").content.decode()
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    after = at_page(cast.viewer).get("/").content.decode()
    assert "Rev Reviewer" in after
    assert FLAG in after


def test_home_asks_for_the_reason_of_a_kill(cast: Story) -> None:
    done = requested(cast, launch())
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    incidents.kill(actor=cast.dev, at=cast.at, project="shop", environment="production", flag=FLAG, now=clock.now)
    assert "Say why" in at_page(cast.dev).get("/").content.decode()
    assert "Say why" not in at_page(cast.viewer).get("/").content.decode()


def test_home_costs_the_same_for_one_and_for_thirty_requests(cast: Story) -> None:
    client = at_page(cast.approver)
    requested(cast, launch())
    client.get("/")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for _ in range(30):
        requested(cast, launch())
    with CaptureQueriesContext(connection) as many:
        page = client.get("/").content.decode()
    assert len(many) == len(few)
    assert "And 19 more" in page
    assert page.count(">Review it<span") == 31, "all of them, unfolded"


def test_a_new_installation_is_led_through_its_first_steps(db: str) -> None:
    first = add_person("Fia First", "admin", "developer", "approver")
    page = at_page(first).get("/").content.decode()
    for words in ("First steps", "Create the first project", "Invite somebody", "pip install ensign-sdk"):
        assert words in page


def test_what_set_up_decided_is_shown_until_somebody_chooses_anew(db: str) -> None:
    from ensign.control.access import setup
    from ensign.control.identity.operations import create_setup_link
    from ensign.control.kernel.actor import ANONYMOUS

    at = clock.now()
    person = setup.set_up(
        actor=ANONYMOUS, at=at, link=create_setup_link(at=at), name="Fia First", email="fia@example.com",
        password="correct horse battery staple", preset="solo", organisation="Acme",
        control="Every Friday the accountant reads the list of changes.",
    )  # fmt: skip
    page = at_page(Actor(kind="person", id=person.id, via="session")).get("/settings").content.decode()
    assert "One person" in page
    assert "Every Friday the accountant" in page


def test_settings_tells_paths_to_who_may_change_settings_only(cast: Story) -> None:
    assert "What is stored where" in at_page(cast.admin).get("/settings").content.decode()
    plain = at_page(cast.viewer).get("/settings").content.decode()
    assert "What is stored where" not in plain
    assert "fingerprint" in plain


def test_search_finds_flags_projects_requests_and_people_but_only_what_one_may_read(cast: Story) -> None:
    requested(cast, launch())
    create_project(actor=cast.admin, at=cast.at, key="hidden-shop", name="Hidden shop", preset="small-team")

    def found(actor: Actor, text: str) -> list[tuple[str, str]]:
        items = at_page(actor).get("/commands", {"q": text}).json()["items"]
        return [(item["kind"].split(" in ")[0], item["label"]) for item in items]

    assert found(cast.admin, "CHECKOUT") == [("Flag", FLAG)]
    assert ("Request", "Widen the rollout") in found(cast.admin, "widen")
    assert ("Person", "Dan Dev") in found(cast.admin, "dan")
    assert ("Project", "Hidden shop") in found(cast.admin, "hidden")
    guest = add_person("Gus Guest", "requester", project="shop", environment="production")
    assert found(guest, "hidden") == []
    assert found(guest, "dan") == []
    assert found(guest, "checkout") == [("Flag", FLAG)]
    assert found(guest, " ") == []


def test_what_search_finds_leads_somewhere(cast: Story) -> None:
    requested(cast, launch())
    client = at_page(cast.admin)
    for text in ("checkout", "shop", "widen", "dan"):
        for item in client.get("/commands", {"q": text}).json()["items"]:
            assert client.get(item["href"]).status_code == 200, item
