"""Addresses of segments."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.segments import views

_segments = [
    path("projects/<str:project>/segments", views.index, name="list"),
    path("projects/<str:project>/segments/new", views.create, name="new"),
    path("projects/<str:project>/segments/<str:segment>", views.detail, name="detail"),
    path("projects/<str:project>/segments/<str:segment>/environments/<str:environment>", views.edit, name="edit"),
]

urlpatterns = [path("", include((_segments, "segments")))]
