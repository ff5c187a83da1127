"""Addresses of change requests, drafts and policies."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.changes import bulk_views, draft_views, policy_views, porting_views, views

_changes = [
    path("requests", views.queue, name="queue"),
    path("projects/<str:project>/requests", views.queue, name="list"),
    path("requests/<str:id>", views.detail, name="detail"),
    path("requests/<str:id>/decide", views.decide, name="decide"),
    path("requests/<str:id>/act", views.act, name="act"),
    path("projects/<str:project>/environments/<str:environment>/draft", draft_views.draft, name="draft"),
    path("projects/<str:project>/environments/<str:environment>/draft/finish", draft_views.finish, name="finish"),
    path("projects/<str:project>/bulk", bulk_views.many, name="bulk"),
    path("projects/<str:project>/transfer", porting_views.transfer, name="transfer"),
    path("projects/<str:project>/transfer/import", porting_views.bring, name="import"),
    path("projects/<str:project>/transfer/export", porting_views.export, name="export"),
    path("projects/<str:project>/flags/<str:flag>/clone", porting_views.clone, name="clone"),
    path("projects/<str:project>/policies", policy_views.policies, name="policies"),
    path("projects/<str:project>/policies/<str:environment>", policy_views.propose_policy, name="policy"),
]

urlpatterns = [path("", include((_changes, "changes")))]
