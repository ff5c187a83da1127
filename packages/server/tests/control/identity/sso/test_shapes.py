"""Claims: each provider's shape is read as that provider means it; what it leaves out is never taken as given."""

from __future__ import annotations

from typing import Any

import pytest
from ensign.control.identity.sso.domain import MappedGroup, NotLetIn, ProviderView
from ensign.control.identity.sso.oidc import shapes
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


def provider(shape: str, **more: Any) -> ProviderView:
    given: dict[str, Any] = {
        "id": "idp_1",
        "key": shape,
        "name": shape.capitalize(),
        "kind": "oidc",
        "shape": shape,
        "status": "active",
        "settings": {"tenant": TENANT, "trust_email": False, "strong_acr": ""},
        "domains": ("example.com",),
        "enforced": False,
        "provisioning": False,
        "mfa_counts": False,
        "group_claim": "groups",
        "group_mapping": (MappedGroup(value="eng", group="grp_1", by="usr_1"),),
        "recheck_minutes": 60,
        "session_hours": 12,
        "version": 1,
        "ledger_seq": 1,
        **more,
    }
    return ProviderView(**given)


OKTA = {
    "sub": "00u1a2b3c4",
    "email": "anna.berg@example.com",
    "email_verified": True,
    "name": "Anna Berg",
    "amr": ["pwd", "mfa", "otp"],
    "groups": ["Everyone", "eng"],
    "iat": 1_700_000_000,
    "auth_time": 1_699_999_000,
    "sid": "idx1",
}
GOOGLE = {
    "sub": "110169484474386276334",
    "hd": "example.com",
    "email": "anna.berg@example.com",
    "email_verified": True,
    "name": "Anna Berg",
    "iat": 1_700_000_000,
}
ENTRA = {
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "oid": "00000000-0000-0000-66f3-3332eca7ea81",
    "tid": TENANT,
    "email": "anna.berg@example.com",
    "preferred_username": "anna.berg@example.com",
    "name": "Anna Berg",
    "groups": ["0a1b2c3d-0000-4000-8000-000000000001"],
    "iat": 1_700_000_000,
    "xms_edov": True,
}


def read(shape: str, claims: dict[str, Any], **more: Any) -> Any:
    return shapes.read(provider(shape, **more), claims, at=clock.now())


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def test_okta_names_groups_second_factor_and_session() -> None:
    said = read("okta", OKTA)
    assert (said.subject, said.email, said.email_verified) == ("00u1a2b3c4", "anna.berg@example.com", True)
    assert (said.groups, said.strong, said.session_index) == (("Everyone", "eng"), True, "idx1")
    assert said.authenticated_at.timestamp() == 1_699_999_000


def test_a_password_alone_is_no_second_factor_but_a_named_acr_may_be() -> None:
    weak = {**OKTA, "amr": ["pwd"], "acr": "urn:okta:loa:2fa:any"}
    assert not read("okta", weak).strong
    assert not read("okta", {**weak, "amr": "mfa"}).strong
    assert not read("okta", without(OKTA, "auth_time")).strong, "nobody says when"
    settings = {"tenant": "", "trust_email": False, "strong_acr": "phr urn:okta:loa:2fa:any"}
    assert read("okta", weak, settings=settings).strong


def test_google_lets_in_its_own_workspace_alone_and_sends_no_groups() -> None:
    assert read("google", {**GOOGLE, "groups": ["eng"]}).groups == ()
    for foreign in ({**GOOGLE, "hd": "evil.example"}, without(GOOGLE, "hd"), {**GOOGLE, "hd": ["example.com"]}):
        with pytest.raises(NotLetIn) as caught:
            read("google", foreign)
        assert caught.value.code == "another-organisation"
    assert not shapes.needs_more(provider("google"), GOOGLE)


def test_entra_lets_in_its_own_tenant_alone() -> None:
    said = read("entra", ENTRA)
    assert (said.email_verified, said.groups) == (True, ("0a1b2c3d-0000-4000-8000-000000000001",))
    for foreign in ({**ENTRA, "tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}, without(ENTRA, "tid")):
        with pytest.raises(NotLetIn) as caught:
            read("entra", foreign)
        assert caught.value.code == "another-organisation"


def test_entras_address_counts_only_if_it_says_so_or_an_administrator_trusts_the_tenant() -> None:
    """Whoever manages some tenant writes any address into it: the nOAuth take-over."""
    silent = without(ENTRA, "xms_edov")
    assert not read("entra", silent).email_verified
    assert not read("entra", {**silent, "xms_edov": False}).email_verified
    assert not read("entra", {**silent, "xms_edov": ["1"]}).email_verified
    named = without(silent, "email")
    assert (read("entra", named).email, read("entra", named).email_verified) == ("anna.berg@example.com", False)
    assert not read("entra", {**named, "xms_edov": True}).email_verified, "it speaks of the e-mail address alone"
    trusted = {"tenant": TENANT, "trust_email": True, "strong_acr": ""}
    assert read("entra", silent, settings=trusted).email_verified
    assert not read("entra", {**silent, "email_verified": False}, settings=trusted).email_verified


@pytest.mark.parametrize("overage", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}, {"hasgroups": "true"}])
def test_groups_that_entra_leaves_out_are_an_error_not_none(overage: dict[str, Any]) -> None:
    claims = {**without(ENTRA, "groups"), **overage}
    with pytest.raises(NotLetIn) as caught:
        read("entra", claims)
    assert caught.value.code == "groups-overage"
    assert read("entra", claims, group_mapping=()).groups == (), "without a mapping nobody asks"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("eng", ("eng",)),
        (["eng", "eng", "ops", ""], ("eng", "ops")),
        ([], ()),
        (None, ()),
        (["x" * 501, "eng"], ("eng",)),
    ],
)
def test_groups_come_as_a_list_or_a_lone_text(value: Any, expected: tuple[str, ...]) -> None:
    assert read("keycloak", {**OKTA, "groups": value}).groups == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["g"] * 1001, "groups-many"),
        ([str(number) for number in range(5000)], "groups-many"),
        ({"eng": True}, "groups-form"),
        ([{"name": "eng"}], "groups-form"),
        (7, "groups-form"),
    ],
)
def test_other_forms_of_groups_are_refused(value: Any, code: str) -> None:
    with pytest.raises(NotLetIn) as caught:
        read("keycloak", {**OKTA, "groups": value})
    assert caught.value.code == code


def test_the_user_info_is_asked_only_for_what_is_missing() -> None:
    assert not shapes.needs_more(provider("okta"), OKTA)
    assert shapes.needs_more(provider("okta"), without(OKTA, "email"))
    assert shapes.needs_more(provider("okta"), without(OKTA, "groups"))
    assert not shapes.needs_more(provider("okta", group_mapping=()), without(OKTA, "groups"))


def test_microsofts_issuer_is_that_of_one_tenant() -> None:
    made = shapes.clean("entra", {"tenant": TENANT.upper(), "client_id": "c"})
    assert made["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    for wrong in ("common", "organizations", "9188040d-6c67-4c5b-b112-36a304b66dad"):
        issuer = f"https://login.microsoftonline.com/{wrong}/v2.0"
        with pytest.raises(Invalid):
            shapes.clean("entra", {"tenant": TENANT, "client_id": "c", "issuer": issuer})
        with pytest.raises(Invalid):
            shapes.clean("generic", {"client_id": "c", "issuer": issuer})
    with pytest.raises(Invalid):
        shapes.clean("entra", {"tenant": "common", "client_id": "c"})


def test_settings_are_taken_in_one_form() -> None:
    made = shapes.clean("google", {"client_id": " c ", "trust_email": True, "scopes": "email"})
    assert (made["issuer"], made["client_id"], made["trust_email"]) == ("https://accounts.google.com", "c", False)
    assert made["scopes"] == "openid email"
    whole = "https://example.okta.com/.well-known/openid-configuration"
    assert shapes.clean("okta", {"client_id": "c", "issuer": whole})["issuer"] == "https://example.okta.com"
    for issuer in ("", "example.okta.com", "ftp://x", "https://a@b.example", "https://x.example?y"):
        with pytest.raises(Invalid):
            shapes.clean("okta", {"client_id": "c", "issuer": issuer})
