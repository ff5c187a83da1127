"""Addresses of incidents: kill switches, incidents, emergency changes, drills, triggers."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.incidents import emergency_views, hook_views, incident_views, practice_views, views

_incidents = [
    path("projects/<str:project>/environments/<str:environment>/flags/<str:flag>/kill", views.kill, name="kill"),
    path("kills", views.kills, name="kills"),
    path("kills/<str:id>/reason", views.reason, name="reason"),
    path("kills/<str:id>/restore", views.restore, name="restore"),
    path("incidents", incident_views.listing, name="list"),
    path("incidents/new", incident_views.declare, name="declare"),
    path("incidents/times", incident_views.times, name="times"),
    path("incidents/export", incident_views.export, name="export"),
    path("incidents/<str:id>", incident_views.detail, name="incident"),
    path("incidents/<str:id>/act", incident_views.act, name="act"),
    path("emergencies", emergency_views.listing, name="emergencies"),
    path("emergencies/<str:id>", emergency_views.detail, name="emergency"),
    path("emergencies/<str:id>/act", emergency_views.act, name="emergency-act"),
    path("triggers", practice_views.trigger_list, name="triggers"),
    path("triggers/new", practice_views.trigger_new, name="trigger-new"),
    path("triggers/<str:id>/revoke", practice_views.trigger_revoke, name="trigger-revoke"),
    path("drills", practice_views.drill_list, name="drills"),
    path("drills/plan", practice_views.drill_plan, name="drill-plan"),
    path("drills/<str:id>/act", practice_views.drill_act, name="drill-act"),
    path("hooks/kill/<str:id>", hook_views.fire, name="hook"),
    path("hooks/kill/<str:id>/<str:token>", hook_views.fire, name="hook-secret"),
]

urlpatterns = [path("", include((_incidents, "incidents")))]
