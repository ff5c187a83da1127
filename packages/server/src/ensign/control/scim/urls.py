"""Addresses: the directory's door, and the pages about it."""

from __future__ import annotations

from django.urls import path, re_path

from ensign.control.scim import views

app_name = "scim"

urlpatterns = [
    path("scim/v2", views.endpoint, name="root"),
    re_path(r"^scim/v2/(?P<rest>.*)$", views.endpoint, name="endpoint"),
]
