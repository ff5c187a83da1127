"""Addresses of alerts and safeguards."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.monitoring import views

_monitoring = [
    path("alerts", views.alerts, name="alerts"),
    path("alerts/export", views.export, name="export"),
    path("alerts/rules", views.rules, name="rules"),
    path("alerts/<str:id>", views.alert, name="alert"),
    path("alerts/<str:id>/judge", views.judge, name="judge"),
]

urlpatterns = [path("", include((_monitoring, "monitoring")))]
