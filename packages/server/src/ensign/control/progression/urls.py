"""Addresses of progression."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.progression import views

_progression = [
    path("projects/<str:project>/flags/<str:flag>/progression", views.flag, name="flag"),
    path("projects/<str:project>/flags/<str:flag>/promote", views.promote, name="promote"),
]

urlpatterns = [path("", include((_progression, "progression")))]
