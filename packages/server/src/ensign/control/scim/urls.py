"""Addresses: the directory's door, and the pages about it and about leavers."""

from __future__ import annotations

from django.urls import path

from ensign.control.scim import movement_pages, pages, views

app_name = "scim"

urlpatterns = [
    path("scim/v2", views.endpoint, name="root"),
    path("scim/v2/", views.endpoint, name="root-slash"),
    path("scim/v2/<path:rest>", views.endpoint, name="endpoint"),
    path("directory", pages.directory, name="directory"),
    path("directory/tokens/new", pages.create_token, name="token-new"),
    path("directory/tokens/<str:token_id>/rotate", pages.rotate_token, name="token-rotate"),
    path("directory/tokens/<str:token_id>/revoke", pages.revoke_token, name="token-revoke"),
    path("access/leavers", pages.leaver_report, name="leavers"),
    path("access/leavers/export", pages.export_leavers, name="leavers-export"),
    path("access/leavers/limit", pages.set_limit, name="leavers-limit"),
    path("access/movements", movement_pages.movement_report, name="movements"),
    path("access/movements/export", movement_pages.export_movements, name="movements-export"),
    path("people/<str:person_id>/departure", pages.departure, name="departure"),
]
