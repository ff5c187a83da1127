"""Addresses of the inbox, of preferences and of integrations."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.integrations import inbox_views, views

_integrations = [
    path("inbox", inbox_views.inbox, name="inbox"),
    path("inbox/read", inbox_views.mark, name="mark"),
    path("inbox/<int:notice>", inbox_views.open_notice, name="notice"),
    path("account/notifications", inbox_views.preferences, name="preferences"),
    path("requests/<str:id>/tickets", inbox_views.tickets, name="tickets"),
    path("settings/integrations", views.listing, name="list"),
    path("settings/integrations/new", views.create, name="new"),
    path("settings/integrations/mail", views.try_mail, name="mail"),
    path("projects/<str:project>/integrations", views.listing, name="project"),
    path("projects/<str:project>/integrations/new", views.create, name="project-new"),
    path("integrations/<str:id>", views.detail, name="detail"),
    path("integrations/<str:id>/act", views.act, name="act"),
]

urlpatterns = [path("", include((_integrations, "integrations")))]
