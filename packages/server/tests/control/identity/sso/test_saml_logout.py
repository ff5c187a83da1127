"""Claims: a log-out counts when the provider signed this very query for us just now, and ends its sessions alone."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.test import Client
from ensign.control.identity.sso.models import ProviderSession
from ensign_testkit.people import add_person
from ensign_testkit.saml_forge import SAML, SAMLP
from ensign_testkit.saml_keys import Signer
from ensign_testkit.saml_worlds import ENTITY, World, signer, world

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


def draft(
    *, name: str = "anna-0001", index: str = "_session", at: datetime | None = None, issuer: str = ENTITY, base: str
) -> str:
    now = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    session = f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" if index else ""
    return (
        f'<samlp:LogoutRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_l1" Version="2.0"'
        f' IssueInstant="{now}" Destination="{base}/slo"><saml:Issuer>{issuer}</saml:Issuer>'
        f"<saml:NameID>{name}</saml:NameID>{session}</samlp:LogoutRequest>"
    )


def packed(text: str) -> str:
    machine = zlib.compressobj(wbits=-15)
    return base64.b64encode(machine.compress(text.encode()) + machine.flush()).decode()


def query(text: str, *, by: Signer | None = None, algorithm: str = RSA_SHA256, raw: bool = False) -> str:
    sent = urlencode({"SAMLRequest": text if raw else packed(text), "RelayState": "r&1", "SigAlg": algorithm})
    key = serialization.load_pem_private_key((by or signer()).key_pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(sent.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{sent}&{urlencode({'Signature': base64.b64encode(signature).decode()})}"


@pytest.fixture
def there(db: str) -> World:
    """A provider through which Anna is signed in."""
    add_person("Anna Berg")
    found = world()
    found.follow(found.post(found.forge.response(in_response_to=found.ask())))
    assert ProviderSession.objects.count() == 1
    return found


def send(there: World, sent: str) -> Any:
    return Client().get(f"/sso/{there.provider.key}/slo?{sent}")


def test_a_signed_request_ends_the_session_and_is_answered_with_a_signature(there: World) -> None:
    answer = send(there, query(draft(base=there.forge.base)))
    onward = parse_qs(urlsplit(answer["Location"]).query)
    assert answer["Location"].startswith("https://idp.example.com/slo?")
    assert onward["RelayState"] == ["r&1"]
    assert {"SAMLResponse", "SigAlg", "Signature"} <= set(onward)
    assert not ProviderSession.objects.exists()
    assert there.client.get("/account").status_code == 302


def test_without_a_session_index_all_sessions_of_the_person_end(there: World) -> None:
    send(there, query(draft(base=there.forge.base, index="")))
    assert not ProviderSession.objects.exists()


def test_whoever_is_not_the_provider_ends_nothing(there: World) -> None:
    base = there.forge.base
    good = query(draft(base=base))
    unsigned = good.partition("&SigAlg")[0]
    bombed = query(base64.b64encode(zlib.compress(b"<" * 10_000_000)[2:-4]).decode(), raw=True)
    for sent in (
        unsigned,
        good.replace("RelayState=r", "RelayState=q"),
        f"{good}&SAMLRequest=x",
        query(draft(base=base), by=Signer("mallory")),
        query(draft(base=base), algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        query(draft(base=base), algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        query(draft(base=base, at=datetime.now(UTC) - timedelta(hours=1))),
        query(draft(base=base, issuer="https://other.example")),
        query(draft(base="https://other.example")),
        query("<!DOCTYPE x>" + draft(base=base)),
        query("<x/>"),
        bombed,
        "SAMLRequest=%%%&SigAlg=x&Signature=y",
    ):
        assert send(there, sent).status_code == 422, sent[:80]
    assert ProviderSession.objects.count() == 1


def test_somebody_elses_session_is_left_alone(there: World) -> None:
    send(there, query(draft(base=there.forge.base, name="bob-0002")))
    send(there, query(draft(base=there.forge.base, index="_another")))
    assert ProviderSession.objects.count() == 1
