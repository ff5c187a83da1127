"""Addresses of SAML, which are part of identity's."""

from __future__ import annotations

from django.urls import path

from ensign.control.identity.views import saml

urlpatterns = [
    path("sso/<slug:key>/metadata", saml.metadata, name="saml-metadata"),
    path("sso/<slug:key>/acs", saml.acs, name="saml-acs"),
    path("sso/<slug:key>/finish", saml.finish, name="saml-finish"),
    path("sso/<slug:key>/slo", saml.logout, name="saml-logout"),
]
