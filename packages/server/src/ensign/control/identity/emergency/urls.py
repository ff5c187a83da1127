"""Addresses of emergency access, which are part of identity's."""

from __future__ import annotations

from django.urls import path

from ensign.control.identity.emergency import views

urlpatterns = [
    path("emergency", views.page, name="emergency"),
    path("emergency/second-factor", views.second_factor, name="emergency-factor"),
]
