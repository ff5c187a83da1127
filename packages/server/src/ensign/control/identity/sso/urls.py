"""Addresses of sign-in through providers. A provider's key stands in them, so it never changes."""

from __future__ import annotations

from django.urls import path

from ensign.control.identity.sso import views

app_name = "sso"

urlpatterns = [
    path("sso/route", views.route, name="route"),
    path("sso/renew", views.renew, name="renew"),
    path("sso/confirm", views.confirm, name="confirm"),
    path("sso/<slug:key>/login", views.login, name="login"),
    path("sso/<slug:key>/callback", views.callback, name="callback"),
    path("sso/<slug:key>/backchannel-logout", views.backchannel_logout, name="backchannel-logout"),
]
