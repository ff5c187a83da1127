"""Addresses of federation's pages."""

from __future__ import annotations

from django.urls import path

from ensign.control.federation import views

app_name = "federation"

urlpatterns = [
    path("service-accounts/<str:service_account_id>/ci", views.listing, name="rules"),
    path("service-accounts/<str:service_account_id>/ci/new", views.create, name="new"),
    path("federation-rules/<str:rule_id>", views.detail, name="rule"),
    path("federation-rules/<str:rule_id>/try", views.try_out, name="try"),
    path("federation-rules/<str:rule_id>/end", views.end, name="end"),
]
