"""Claims: a real identity provider, SimpleSAMLphp, signs people in through a real Chromium, on http://localhost and
across sites; its responses pass whole and are refused spoilt; its encryption is read; its metadata configure it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from ensign.control.identity.models import Account
from ensign.control.identity.sso import saml_here, saml_kind
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.models import ProviderSession
from ensign.control.kernel import clock
from ensign_testkit.live import chromium, live
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider
from ensign_testkit.saml_forge import WRAPPINGS, Forge, field_of
from ensign_testkit.saml_worlds import World, body, signer
from ensign_testkit.simple_saml import SimpleSaml
from lxml import etree
from playwright.sync_api import Page, expect


@pytest.fixture(scope="module")
def idp() -> Iterator[SimpleSaml]:
    """SimpleSAMLphp, running."""
    running = SimpleSaml()
    yield running
    running.close()


@pytest.fixture
def address(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The product, over this test's database."""
    with live(monkeypatch) as url:
        yield url


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page of a browser without any cookie."""
    with chromium(monkeypatch) as browser:
        opened = browser.new_context().new_page()
        opened.set_default_timeout(20_000)
        yield opened


def connect(idp: SimpleSaml, **more: object) -> ProviderView:
    """A provider made from SimpleSAMLphp's own metadata, which trusts us in turn."""
    text = urlopen(idp.metadata_url).read().decode()
    kept = saml_kind.clean("generic", {"metadata": text, **more})
    found = add_provider("corp", kind="saml", settings=kept, domains=["example.com"])
    here = saml_here.here(found)
    trusted = {"certData": body(saml_here.key_pair()[1]), "assertion.encryption": bool(more.get("encrypted"))}
    idp.trust(here.entity_id, here.acs, SingleLogoutService=here.logout, **trusted)
    return found


def through(page: Page, address: str, *, name: str = "anna") -> None:
    """Sign in at the provider, from Ensign's address that leads there, until Ensign answers again."""
    page.goto(f"{address}/sso/corp/login?next=/account")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(f"{name}-secret")
    page.locator("#regularsubmit, button[type=submit]").first.click()
    page.wait_for_url(re.compile(re.escape(address)))


@pytest.mark.browser
@pytest.mark.parametrize("encrypted", [False, True])
def test_anna_signs_in_in_a_real_browser_across_sites(
    idp: SimpleSaml, address: str, page: Page, encrypted: bool
) -> None:
    person = add_person("Anna Berg", "viewer")
    connect(idp, encrypted=encrypted)
    through(page, address)
    expect(page).to_have_url(f"{address}/account")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert ProviderSession.objects.get().person_id == person.id
    assert Account.objects.get(person_id=person.id).last_login is not None


@pytest.mark.browser
def test_who_may_not_come_in_is_told_so_and_who_signs_out_there_is_out_here(
    idp: SimpleSaml, address: str, page: Page
) -> None:
    add_person("Anna Berg", "viewer")
    connect(idp)
    through(page, address, name="bob")
    expect(page.get_by_text("Ask an administrator to invite you")).to_be_visible()
    page.context.clear_cookies()
    through(page, address)
    assert ProviderSession.objects.count() == 1
    page.goto(f"{idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo={idp.url}/")
    page.wait_for_load_state()
    expect(page.locator("body")).to_contain_text(re.compile("log|Log"))
    assert not ProviderSession.objects.exists()
    page.goto(f"{address}/account")
    expect(page).to_have_url(re.compile("/login"))


@pytest.mark.browser
def test_a_real_response_is_refused_once_it_is_wrapped_replayed_or_carried_elsewhere(
    idp: SimpleSaml, address: str, page: Page
) -> None:
    add_person("Anna Berg", "viewer")
    found = connect(idp)
    caught: list[str] = []

    def hold(route: object) -> None:
        caught.append(parse_qs(route.request.post_data)["SAMLResponse"][0])  # type: ignore[attr-defined]
        route.fulfill(status=200, body="held")  # type: ignore[attr-defined]

    page.route("**/sso/corp/acs", hold)
    through(page, address)
    page.wait_for_function("document.body.innerText.includes('held')")
    there = World(found, Forge(signer(), "", ""))
    raw = base64.b64decode(caught[0])
    for name, wrap in WRAPPINGS.items():
        assert there.post(field_of(wrap(etree.fromstring(raw))), raw=True).status_code == 422, name
    spoilt = raw.replace(b"anna-0001", b"anna-<!---->0001")
    assert spoilt != raw
    assert there.post(field_of(spoilt), raw=True).status_code == 422
    elsewhere = there.post(caught[0], raw=True)
    assert elsewhere.status_code == 303
    assert there.follow(elsewhere).status_code == 422
    assert there.post(caught[0], raw=True).status_code == 422
    assert not ProviderSession.objects.exists()


def test_its_metadata_say_all_that_the_settings_need(idp: SimpleSaml, db: str) -> None:
    found = connect(idp)
    assert found.settings["entity_id"] == idp.entity_id
    assert found.settings["sign_on_url"] == idp.sign_on_url
    assert found.settings["certificates"] == [body(idp.signer.certificate_pem)]
    assert urlsplit(found.settings["logout_url"]).path.endswith("/SingleLogoutService.php")
    assert found.ledger_seq
    assert clock.now()
