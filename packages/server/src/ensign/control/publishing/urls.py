"""The playground's address."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.publishing import views

urlpatterns = [path("", include(([path("playground", views.index, name="index")], "playground")))]
