"""The control plane's URLs; each feature brings its own, with its whole path, and stands here as one line.

A feature's ``api.py`` is mounted in ``control/api/root.py`` instead.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
