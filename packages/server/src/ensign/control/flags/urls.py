"""Addresses of flags."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.flags import views

_flags = [
    path("flags", views.across, name="across"),
    path("projects/<str:project>/flags", views.index, name="list"),
    path("projects/<str:project>/flags/new", views.create, name="new"),
    path("projects/<str:project>/flags/<str:flag>", views.show, name="detail"),
    path("projects/<str:project>/flags/<str:flag>/describe", views.update, name="update"),
    path(
        "projects/<str:project>/flags/<str:flag>/environments/<str:environment>/strategies/new",
        views.strategy,
        name="strategy-new",
    ),
    path(
        "projects/<str:project>/flags/<str:flag>/environments/<str:environment>/strategies/<str:strategy>",
        views.strategy,
        name="strategy",
    ),
]

urlpatterns = [path("", include((_flags, "flags")))]
