"""Addresses of identity's pages."""

from __future__ import annotations

from django.urls import include, path

from ensign.control.identity.views import account, approval_keys, factors, links, sign_in

app_name = "identity"

urlpatterns = [
    path("login", sign_in.page, name="sign-in"),
    path("login/second-factor", sign_in.second_factor, name="second-factor"),
    path("login/passkey", sign_in.passkey, name="passkey"),
    path("login/passkey/question", sign_in.passkey_question, name="passkey-question"),
    path("logout", sign_in.sign_out, name="sign-out"),
    path("invite/<str:token>", links.join, name="join"),
    path("reset/<str:token>", links.reset, name="reset"),
    path("", include("ensign.control.identity.sso.saml_urls")),
    path("", include("ensign.control.identity.emergency.urls")),
    path("account", account.profile, name="account"),
    path("account/password", account.password, name="password"),
    path("account/confirm", sign_in.confirm, name="confirm"),
    path("account/confirm/go-on", sign_in.resume, name="resume"),
    path("account/sessions", account.sessions, name="sessions"),
    path("account/sessions/<int:session_id>/end", account.end_session, name="session-end"),
    path("account/sessions/end-others", account.end_other_sessions, name="sessions-end-others"),
    path("account/security", factors.overview, name="security"),
    path("account/security/authenticator", factors.authenticator, name="authenticator"),
    path("account/security/passkey", factors.passkey, name="passkey-new"),
    path("account/security/passkey/question", factors.passkey_question, name="passkey-new-question"),
    path("account/security/recovery-codes", factors.recovery_codes, name="recovery-codes"),
    path("account/approval-keys", approval_keys.overview, name="approval-keys"),
    path("account/approval-keys/<int:factor_id>/question", approval_keys.question, name="approval-key-question"),
    path("account/approval-keys/<int:factor_id>/enrol", approval_keys.enrol, name="approval-key-enrol"),
    path("account/approval-keys/<str:key_id>/revoke", approval_keys.revoke, name="approval-key-revoke"),
    path("account/security/<int:factor_id>/rename", factors.rename, name="factor-rename"),
    path("account/security/<int:factor_id>/remove", factors.remove, name="factor-remove"),
]
