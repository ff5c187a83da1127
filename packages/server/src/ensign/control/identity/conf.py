"""What the settings need to know of identity, as plain constants (imports no Django app).

allauth is confined to this app and brings second factors and speaks to identity providers. Everything it could do by
itself (public sign-up, sign-in by mailed code, address confirmation, password reset by mail) is off: none of its URLs
is mounted, and its adapters refuse as well.
"""

from __future__ import annotations

from typing import Any, Final

MIDDLEWARE: Final = (
    "ensign.control.identity.middleware.SessionMiddleware",
    "ensign.control.identity.sso.middleware.ProviderSessionMiddleware",
    "ensign.control.identity.emergency.session.EmergencyMiddleware",
)
"""After Django's AuthenticationMiddleware."""

#: No session outlives this, whatever the rules say (seconds); ``rules.Rules.session_hours`` is the limit in force.
SESSION_LIFETIME: Final = 24 * 3600

SETTINGS: Final[dict[str, Any]] = {
    "AUTH_USER_MODEL": "identity.Account",
    "AUTHENTICATION_BACKENDS": ["ensign.control.identity.backends.PersonBackend"],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"],
    "LOGIN_URL": "/login",
    "LOGIN_REDIRECT_URL": "/",
    "SESSION_COOKIE_AGE": SESSION_LIFETIME,
    "ACCOUNT_ADAPTER": "ensign.control.identity.adapters.AccountAdapter",
    "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
    "ACCOUNT_LOGIN_METHODS": {"email"},
    "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
    "ACCOUNT_EMAIL_VERIFICATION": "none",
    "ACCOUNT_EMAIL_NOTIFICATIONS": False,
    "ACCOUNT_LOGIN_BY_CODE_ENABLED": False,
    "SOCIALACCOUNT_ADAPTER": "ensign.control.identity.adapters.SocialAccountAdapter",
    "SOCIALACCOUNT_AUTO_SIGNUP": False,
    "SOCIALACCOUNT_STORE_TOKENS": False,
    "MFA_ADAPTER": "ensign.control.identity.adapters.MfaAdapter",
    "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
    "MFA_TOTP_ISSUER": "Ensign",
    "MFA_PASSKEY_LOGIN_ENABLED": False,
    "MFA_PASSKEY_SIGNUP_ENABLED": False,
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": False,
    "USERSESSIONS_TRACK_ACTIVITY": False,
}
"""``vars().update(identity.SETTINGS)`` in ``settings.py``."""
