"""What the settings need to know of the pages, as plain constants (imports no Django app).

Templates that override allauth's must be found before them: ``TEMPLATE_DIRS`` goes into ``DIRS``.
"""

from pathlib import Path
from typing import Any, Final

from csp.constants import NONCE, NONE, SELF

import ensign

PACKAGE_ROOT: Final = Path(ensign.__file__).parent

STATICFILES_DIRS: Final = (PACKAGE_ROOT / "static",)
"""The vendored files, served as ``vendor/…``; the app's own files are found by the app finder."""

TEMPLATE_DIRS: Final = (PACKAGE_ROOT / "control" / "ui" / "templates",)

STATICFILES_STORAGE: Final = "ensign.control.ui.storage.HashedStaticStorage"
"""For ``STORAGES["staticfiles"]["BACKEND"]`` where ``collectstatic`` has run."""

CONTEXT_PROCESSORS: Final = (
    "ensign.control.ui.context.shell",
    "ensign.control.ui.emergency.emergency",
    "ensign.control.incidents.emergency_views.broken_glass",
)

OUTER_MIDDLEWARE: Final = (
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
"""Before everything that may refuse a request: its page carries these headers, too (a host that is not served is
refused by Django's own middleware, before any of ours)."""

MIDDLEWARE: Final = (
    "ensign.control.ui.middleware.HtmxMiddleware",
    "ensign.control.ui.middleware.ProjectMiddleware",
)
"""In this order, after the session and message middleware and before anything that renders a page."""

ERROR_HANDLERS: Final = {
    "handler400": "ensign.control.ui.errors.bad_request",
    "handler403": "ensign.control.ui.errors.permission_denied",
    "handler404": "ensign.control.ui.errors.page_not_found",
}
"""For the root URLconf, by name. Its handler500 is in control/http, as API and pages share it."""

CSRF_FAILURE_VIEW: Final = "ensign.control.ui.errors.csrf_failure"

CONTENT_SECURITY_POLICY: Final[dict[str, Any]] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        # The nonce lets no inline script in (there is none): hx-csp ignores every htmx attribute that
        # does not carry it, so that injected markup can send nothing.
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["htmx"],
    }
}
"""For django-csp 4. Chromium applies ``form-action`` to redirects, too: going to an outside identity
provider has to be a link (GET), not a form's answer."""

SECURITY_SETTINGS: Final[dict[str, Any]] = {
    "X_FRAME_OPTIONS": "DENY",
    "SECURE_CONTENT_TYPE_NOSNIFF": True,
    "SECURE_REFERRER_POLICY": "same-origin",
    "SECURE_CROSS_ORIGIN_OPENER_POLICY": "same-origin",
}
