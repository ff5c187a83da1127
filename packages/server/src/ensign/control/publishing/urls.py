"""Addresses of the playground and of propagation."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.publishing import reach_views, views

_reach = [
    path(
        "projects/<str:project>/environments/<str:environment>/reach/<int:number>",
        reach_views.publication,
        name="publication",
    ),
]

urlpatterns = [
    path("", include(([path("playground", views.index, name="index")], "playground"))),
    path("", include((_reach, "reach"))),
]
