"""Addresses of the log and its exports."""

from __future__ import annotations

from django.urls import path

from ensign.control.evidence import views

app_name = "evidence"
urlpatterns = [
    path("log", views.log, name="log"),
    path("log/export", views.export, name="export"),
    path("log/export/ledger", views.export_ledger, name="export_ledger"),
    path("log/<int:seq>", views.entry, name="entry"),
    path("log/<int:seq>/proof", views.proof, name="proof"),
]
