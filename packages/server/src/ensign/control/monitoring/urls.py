"""Addresses of alerts and safeguards."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.monitoring import hooks, safeguard_views, views

_monitoring = [
    path("alerts", views.alerts, name="alerts"),
    path("alerts/export", views.export, name="export"),
    path("alerts/rules", views.rules, name="rules"),
    path("alerts/prometheus", safeguard_views.choose_prometheus, name="prometheus"),
    path("projects/<str:project>/safeguards", safeguard_views.safeguards, name="safeguards"),
    path("projects/<str:project>/safeguards/new", safeguard_views.new, name="safeguard-new"),
    path("projects/<str:project>/safeguards/<str:id>", safeguard_views.safeguard, name="safeguard"),
    path("projects/<str:project>/safeguards/<str:id>/act", safeguard_views.act, name="safeguard-act"),
    path("hooks/safeguards/<str:id>", hooks.hook, name="hook"),
    path("alerts/<str:id>", views.alert, name="alert"),
    path("alerts/<str:id>/judge", views.judge, name="judge"),
]

urlpatterns = [path("", include((_monitoring, "monitoring")))]
