"""Addresses of change requests, drafts and policies."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.changes import draft_views, policy_code_views, policy_views, signing_views, views

_changes = [
    path("requests", views.queue, name="queue"),
    path("projects/<str:project>/requests", views.queue, name="list"),
    path("requests/<str:id>", views.detail, name="detail"),
    path("requests/<str:id>/decide", views.decide, name="decide"),
    path("requests/<str:id>/approval-question", signing_views.question, name="approval-question"),
    path("requests/<str:id>/act", views.act, name="act"),
    path("projects/<str:project>/environments/<str:environment>/draft", draft_views.draft, name="draft"),
    path("projects/<str:project>/environments/<str:environment>/draft/finish", draft_views.finish, name="finish"),
    path("projects/<str:project>/policies", policy_views.policies, name="policies"),
    path("projects/<str:project>/policies/code", policy_code_views.plan, name="policy_plan"),
    path("projects/<str:project>/policies/code/export", policy_code_views.export, name="policy_file"),
    path(
        "projects/<str:project>/policies/<str:environment>/timeline", policy_code_views.timeline, name="policy_timeline"
    ),
    path("projects/<str:project>/policies/<str:environment>", policy_views.policy, name="policy"),
]

urlpatterns = [path("", include((_changes, "changes")))]
