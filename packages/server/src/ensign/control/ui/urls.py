"""Addresses of the frame's own pages."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.ui import pages

urlpatterns = [
    path("", include(([path("", pages.home, name="index")], "home"))),
    path("", include(([path("settings", pages.settings_page, name="index")], "settings"))),
    path("", include(([path("commands", pages.commands, name="commands")], "ui"))),
]
