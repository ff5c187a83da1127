"""Addresses of releases."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.releases import views

_releases = [
    path("releases", views.index, name="index"),
    path("ramps/<str:id>", views.ramp, name="ramp"),
    path("ramps/<str:id>/act", views.act, name="act"),
    path("projects/<str:project>/environments/<str:environment>/flags/<str:flag>/ramp", views.plan, name="plan"),
    path("projects/<str:project>/release-templates", views.templates, name="templates"),
    path("release-templates/<str:id>", views.template, name="template"),
]

urlpatterns = [path("", include((_releases, "releases")))]
