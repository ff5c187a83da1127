"""Addresses of change requests, drafts and policies."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.changes import (
    draft_views,
    edit_views,
    policy_code_views,
    policy_views,
    queue_views,
    review_views,
    signing_views,
    views,
)

_changes = [
    path("requests", queue_views.queue, name="queue"),
    path("projects/<str:project>/requests", queue_views.queue, name="list"),
    path("requests/<str:id>", views.detail, name="detail"),
    path("requests/<str:id>/decide", views.decide, name="decide"),
    path("requests/<str:id>/approval-question", signing_views.question, name="approval-question"),
    path("requests/<str:id>/act", views.act, name="act"),
    path("requests/<str:id>/discuss", review_views.discuss, name="discuss"),
    path("requests/<str:id>/reviewers", review_views.reviewers, name="reviewers"),
    path("requests/<str:id>/rebase", review_views.rebase, name="rebase"),
    path("requests/<str:id>/edit", edit_views.edit, name="edit"),
    path("requests/<str:id>/revert", review_views.revert, name="revert"),
    path("requests/<str:id>/check", review_views.check, name="check"),
    path("requests/<str:id>/try", review_views.try_it, name="try"),
    path("projects/<str:project>/environments/<str:environment>/draft", draft_views.draft, name="draft"),
    path("projects/<str:project>/environments/<str:environment>/draft/finish", draft_views.finish, name="finish"),
    path(
        "projects/<str:project>/environments/<str:environment>/draft/check",
        review_views.draft_check,
        name="draft-check",
    ),
    path("projects/<str:project>/policies", policy_views.policies, name="policies"),
    path("projects/<str:project>/policies/code", policy_code_views.plan, name="policy_plan"),
    path("projects/<str:project>/policies/code/export", policy_code_views.export, name="policy_file"),
    path(
        "projects/<str:project>/policies/<str:environment>/timeline", policy_code_views.timeline, name="policy_timeline"
    ),
    path("projects/<str:project>/policies/<str:environment>", policy_views.policy, name="policy"),
]

urlpatterns = [path("", include((_changes, "changes")))]
