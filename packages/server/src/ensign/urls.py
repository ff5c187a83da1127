"""The control plane's URLs; each feature brings its own, with its whole path, and stands here as one line.

A feature's ``api.py`` is mounted in ``control/api/root.py`` instead.
"""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, re_path

from ensign.control.api import problems
from ensign.control.api.root import api
from ensign.control.ui import conf

handler400 = conf.ERROR_HANDLERS["handler400"]
handler403 = conf.ERROR_HANDLERS["handler403"]
handler404 = conf.ERROR_HANDLERS["handler404"]
handler500 = "ensign.control.http.outages.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    re_path(r"^api/", problems.not_found),
    path("", include("ensign.control.identity.urls")),
    path("", include("ensign.control.identity.sso.urls")),
    path("", include("ensign.control.access.urls")),
    path("", include("ensign.control.federation.urls")),
    path("", include("ensign.control.projects.urls")),
    path("", include("ensign.control.segments.urls")),
    path("", include("ensign.control.flags.urls")),
    path("", include("ensign.control.publishing.urls")),
    path("", include("ensign.control.changes.urls")),
    path("", include("ensign.control.progression.urls")),
    path("", include("ensign.control.incidents.urls")),
    path("", include("ensign.control.monitoring.urls")),
    path("", include("ensign.control.scim.urls")),
    path("", include("ensign.control.evidence.urls")),
    path("", include("ensign.control.privacy.urls")),
    path("", include("ensign.control.integrations.urls")),
    path("", include("ensign.control.ui.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("styleguide/", include("ensign.control.ui.styleguide_urls")))
