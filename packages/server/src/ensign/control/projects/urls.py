"""Addresses of projects. ``environments:list`` is the part of a project's page that shows them with their policies."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from ensign.control.projects import token_views, views

_projects = [
    path("projects", views.index, name="list"),
    path("projects/new", views.create, name="new"),
    path("projects/defaults", views.defaults, name="defaults"),
    path("projects/<str:project>", views.detail, name="detail"),
    path("projects/<str:project>/update", views.update, name="update"),
    path("projects/<str:project>/environments/new", views.create_environment, name="environment-new"),
    path("projects/<str:project>/environments/<str:environment>/move", views.move_environment, name="environment-move"),
    path("projects/<str:project>/tokens/new", views.create_token, name="token-new"),
    path("projects/<str:project>/tokens/<str:token>/revoke", views.revoke_token, name="token-revoke"),
    path("projects/<str:project>/tokens/<str:token>/rotate", token_views.rotate, name="token-rotate"),
    path("tokens", token_views.listing, name="tokens"),
    path("tokens/rules", token_views.rules, name="token-rules"),
    path("tokens/export", token_views.export, name="tokens-export"),
]
_environments = [
    path(
        "projects/<str:project>/environments",
        RedirectView.as_view(pattern_name="projects:detail"),
        name="list",
    ),
]

urlpatterns = [
    path("", include((_projects, "projects"))),
    path("", include((_environments, "environments"))),
]
