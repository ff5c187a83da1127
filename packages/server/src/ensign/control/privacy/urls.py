"""Addresses of the data map, of erasures and of what is held on somebody."""

from __future__ import annotations

from django.urls import path

from ensign.control.privacy import views

app_name = "privacy"

urlpatterns = [
    path("settings/data-map", views.data_map, name="map"),
    path("settings/data-map/rules", views.rules, name="rules"),
    path("people/<str:person_id>/privacy", views.person, name="person"),
    path("people/<str:person_id>/privacy/held", views.held_on, name="held"),
    path("erasures/<str:erasure_id>/confirm", views.confirm, name="confirm"),
    path("erasures/<str:erasure_id>/withdraw", views.withdraw, name="withdraw"),
    path("account/held", views.mine, name="mine"),
]
