"""The style guide (only while DEBUG is on; every other page belongs to a feature)."""

from django.urls import path

from ensign.control.ui import views

app_name = "styleguide"

urlpatterns = [
    path("", views.styleguide, name="index"),
    path("errors/<int:status>", views.styleguide_error, name="error"),
    path("commands", views.styleguide_commands, name="commands"),
]
