"""Django settings. What differs between installations comes from the environment (docs/reference/settings.md)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ensign import logs
from ensign.control.identity import conf as identity
from ensign.control.kernel.keys import load_or_create
from ensign.control.ui import conf as ui
from ensign.environment import database, flag, mail, nats, number, public_keys

DATA_DIR = Path(os.environ.get("ENSIGN_DATA_DIR") or Path.cwd() / "var").absolute()
KEYS_DIR = Path(os.environ.get("ENSIGN_KEYS_DIR") or DATA_DIR / "keys")
DATABASE_URL = os.environ.get("DATABASE_URL", "")
#: The role that owns the tables and migrates them (PostgreSQL); defaults to the serving role.
DATABASE_OWNER_URL = os.environ.get("DATABASE_OWNER_URL", "")
if DATABASE_OWNER_URL and not DATABASE_URL:
    # Going on would quietly make an embedded database beside the one that was meant.
    raise ValueError("DATABASE_OWNER_URL is set and DATABASE_URL is not; set both, with different roles")

DEBUG = flag("ENSIGN_DEBUG")
SECRET_KEY = load_or_create(KEYS_DIR, "django.key").hex()
PUBLIC_URL = os.environ.get("ENSIGN_PUBLIC_URL", f"http://localhost:{os.environ.get('PORT', '8000')}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [_public.hostname or "localhost", "localhost", "127.0.0.1", "[::1]"] + [
    host for host in os.environ.get("ENSIGN_ALLOWED_HOSTS", "").split(",") if host
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
_tls = _public.scheme == "https"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "ensign.control.ui",  # before allauth, whose templates it overrides
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "allauth.usersessions",
    "ensign.control.kernel",
    "ensign.control.audit",
    "ensign.control.identity",
    "ensign.control.access",
    "ensign.control.federation",
    "ensign.control.projects",
    "ensign.control.segments",
    "ensign.control.flags",
    "ensign.control.publishing",
    "ensign.control.changes",
    "ensign.control.progression",
    "ensign.control.releases",
    "ensign.control.incidents",
    "ensign.control.monitoring",
    "ensign.control.scim",
    "ensign.control.evidence",
    "ensign.control.privacy",
    "ensign.control.integrations",
    "ensign.control.api",
]

DATABASES: dict[str, dict[str, object]]
if DATABASE_URL:
    DATABASES = {"default": database(DATABASE_URL)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "ensign.control.kernel.sqlite",
            "NAME": str(DATA_DIR / "ensign.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                    " PRAGMA recursive_triggers=ON; PRAGMA busy_timeout=20000;"
                ),
            },
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ATOMIC_REQUESTS = False  # BEGIN IMMEDIATE would make read-only pages block writers

MIDDLEWARE = [
    "ensign.control.http.requests.RequestMiddleware",
    *ui.OUTER_MIDDLEWARE,
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    *identity.MIDDLEWARE,
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    *ui.MIDDLEWARE,
    "ensign.control.api.middleware.ApiMiddleware",
    "ensign.control.http.failures.FailureMiddleware",
]

ROOT_URLCONF = "ensign.urls"
WSGI_APPLICATION = None
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                *ui.CONTEXT_PROCESSORS,
            ],
        },
    }
]

vars().update(identity.SETTINGS)

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = list(ui.STATICFILES_DIRS)
STATIC_ROOT = DATA_DIR / "static"
#: `ensign serve` collects the files under hashed names and says so here; tests and tools read them where they lie.
HASHED_STATIC = flag("ENSIGN_HASHED_STATIC")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": ui.STATICFILES_STORAGE if HASHED_STATIC else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not HASHED_STATIC

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _tls
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "sessionid"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CSRF_FAILURE_VIEW = ui.CSRF_FAILURE_VIEW
CONTENT_SECURITY_POLICY = ui.CONTENT_SECURITY_POLICY
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _tls else 0
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
#: Whether a proxy of yours ends TLS in front and sets X-Forwarded-For and X-Forwarded-Proto itself.
BEHIND_PROXY = flag("ENSIGN_BEHIND_PROXY")
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

#: Requests a minute that one token, session or address may send to /api/v1, and how many of them may write.
API_RATE = number("ENSIGN_API_RATE", 1200, low=1, high=1_000_000)
API_WRITE_RATE = number("ENSIGN_API_WRITE_RATE", 300, low=1, high=1_000_000)
#: Requests a minute that one token of the directory may send to /scim/v2.
SCIM_RATE = number("ENSIGN_SCIM_RATE", 3000, low=1, high=1_000_000)
#: Threads that serve pages and the API; each holds one database connection.
THREADS = number("ENSIGN_THREADS", 12, low=1, high=200)
#: How many SDKs may hold a stream open; further ones poll.
MAX_STREAMS = number("ENSIGN_MAX_STREAMS", 20_000, low=0, high=1_000_000)
#: From which origins browsers may ask the front-end API; * is every one.
CORS_ORIGINS = tuple(
    origin.strip() for origin in os.environ.get("ENSIGN_CORS_ORIGINS", "*").split(",") if origin.strip()
)
#: Public keys of the log; with any, this server serves no ruleset that none of them has signed.
RULESET_KEYS = public_keys("ENSIGN_RULESET_KEYS")
METRICS_TOKEN = os.environ.get("ENSIGN_METRICS_TOKEN", "")
#: Where rulesets are published for edges that follow NATS (delivery.nats_records); nowhere when empty.
NATS = nats()

#: The server that e-mails are handed to; without a host none are sent.
SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USER, SMTP_PASSWORD, SMTP_FROM = mail()

LOG_LEVEL = os.environ.get("ENSIGN_LOG_LEVEL", "INFO").upper()
LOGGING = logs.configuration(level=LOG_LEVEL, console=os.environ.get("ENSIGN_LOG_FORMAT", "json") == "console")
