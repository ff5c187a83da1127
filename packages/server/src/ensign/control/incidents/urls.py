"""Addresses of kill switches."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.incidents import views

_incidents = [
    path("projects/<str:project>/environments/<str:environment>/flags/<str:flag>/kill", views.kill, name="kill"),
    path("kills", views.kills, name="kills"),
    path("kills/<str:id>/reason", views.reason, name="reason"),
]

urlpatterns = [path("", include((_incidents, "incidents")))]
