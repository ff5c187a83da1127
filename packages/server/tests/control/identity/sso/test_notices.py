"""Claims: who comes through a provider is told the same as who comes with a password."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from allauth.mfa.models import Authenticator
from django.test import Client
from ensign.control.access import sign_in_rules
from ensign.control.identity import enforcing
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign_testkit.hostile_openid import CLIENT_ID, HostileProvider
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider


def arrived(liar: HostileProvider) -> str:
    """The page that Anna sees after she came through the provider."""
    settings = {"issuer": liar.issuer, "client_id": CLIENT_ID, "scopes": "openid email", "acr_mfa": [], "tenant": ""}
    add_provider("op", settings=settings, secret="a secret")
    client = Client()
    asked = parse_qs(urlsplit(client.get("/sso/op/login?next=/account")["Location"]).query)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"][0]))
    answer = client.get(f"/sso/op/callback?{urlencode({'code': 'abc', 'state': asked['state'][0]})}", follow=True)
    return answer.content.decode()


def test_a_factor_enrolled_lately_is_mentioned(db: str, liar: HostileProvider) -> None:
    person = add_person("Anna Berg", "viewer")
    account = Account.objects.get(person_id=person.id)
    kind = Authenticator.Type.TOTP
    Authenticator.objects.create(user_id=account.pk, type=kind, data={"name": "key"})
    assert "was enrolled today. If that was not you" in arrived(liar)


def test_a_factor_that_is_asked_for_soon_is_mentioned(db: str, liar: HostileProvider) -> None:
    admin = add_person("Ada", "admin")
    add_person("Anna Berg", "viewer")
    wanted = replace(enforcing.current(), factor="everybody", grace_days=3)
    sign_in_rules.change(actor=admin, at=clock.now(), wanted=wanted, address="127.0.0.1", way="oidc")
    due = clock.now() + timedelta(days=3)
    assert f"asks you to have a second factor from {due.day} {due:%B} on" in arrived(liar)
