"""A SAML provider whose key the tests hold, and a browser that was sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client
from ensign.control.identity.sso.domain import ProviderView, Purpose
from ensign.control.identity.sso.saml_request import ASKED
from ensign.control.kernel import clock

from ensign_testkit.providers import add_provider
from ensign_testkit.saml_forge import Forge, field_of
from ensign_testkit.saml_keys import Signer

ENTITY = "https://idp.example.com/metadata"
_SIGNERS: dict[str, Signer] = {}


def signer(name: str = "idp") -> Signer:
    """A key, made once for the whole run."""
    return _SIGNERS.setdefault(name, Signer(name))


def body(certificate_pem: str) -> str:
    """The base64 of a certificate, as settings keep it."""
    return "".join(line for line in certificate_pem.splitlines() if "-----" not in line)


def saml_settings(*signers: Signer, **more: Any) -> dict[str, Any]:
    """The settings of a provider that signs with ``signers``."""
    return {
        "entity_id": ENTITY,
        "sign_on_url": "https://idp.example.com/sso",
        "logout_url": "https://idp.example.com/slo",
        "metadata_url": "",
        "email_attribute": "",
        "name_attribute": "",
        "certificates": [body(one.certificate_pem) for one in signers or (signer(),)],
        "message_signed": True,
        "encrypted": False,
        "sha1": False,
        "idp_initiated": False,
        "any_name_id": False,
        **more,
    }


@dataclass
class World:
    """A provider called ``corp`` and browsers that may be sent to it."""

    provider: ProviderView
    forge: Forge
    client: Client = field(default_factory=Client)

    def ask(self, client: Client | None = None, *, target: str = "/", purpose: Purpose = "sign-in") -> str:
        """Send a browser to the provider, as the sign-in page does; returns the id of its request."""
        from django.contrib.auth.models import AnonymousUser
        from django.test import RequestFactory
        from ensign.control.identity.sso import saml_request

        client = client or self.client
        request = RequestFactory().get("/")
        request.session = client.session
        request.user = AnonymousUser()
        before = set(request.session.get(ASKED, {}))
        answer = saml_request.begin(request, self.provider, purpose=purpose, target=target, hint="", at=clock.now())
        request.session.save()
        client.cookies["sessionid"] = str(request.session.session_key)
        assert "SAMLRequest" in parse_qs(urlsplit(answer["Location"]).query)
        return str((set(request.session[ASKED]) - before).pop())

    def post(self, response: Any, *, relay: str = "ensign", raw: bool = False) -> Any:
        """Post a response as the provider's page makes a browser do: across sites, without any cookie."""
        given = response if raw else field_of(response)
        return Client().post(f"/sso/{self.provider.key}/acs", {"SAMLResponse": given, "RelayState": relay})

    def follow(self, posted: Any, client: Client | None = None) -> Any:
        """Go on in the browser."""
        assert posted.status_code == 303, posted.content.decode()
        return (client or self.client).get(posted["Location"])


def world(**more: Any) -> World:
    """A provider in use, with a forge that holds its key."""
    given = {name: more.pop(name) for name in list(more) if name in saml_settings()}
    provider = add_provider("corp", kind="saml", settings=saml_settings(**given), **more)
    return World(provider, Forge(signer(), ENTITY, f"http://localhost:8000/sso/{provider.key}"))
