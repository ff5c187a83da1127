"""Addresses of access's pages."""

from __future__ import annotations

from django.urls import path

from ensign.control.access.views import grants, groups, people, roles, service_accounts, setup, tokens

app_name = "access"

urlpatterns = [
    path("setup/<str:token>", setup.page, name="setup"),
    path("people", people.listing, name="people"),
    path("people/invite", people.invite, name="invite"),
    path("people/<str:person_id>", people.detail, name="person"),
    path("people/<str:person_id>/invite-again", people.invite_again, name="invite-again"),
    path("people/<str:person_id>/reset-link", people.reset_link, name="reset-link"),
    path("people/<str:person_id>/remove-factors", people.remove_factors, name="remove-factors"),
    path("people/<str:person_id>/deactivate", people.deactivate, name="deactivate"),
    path("people/<str:person_id>/reactivate", people.reactivate, name="reactivate"),
    path("groups", groups.listing, name="groups"),
    path("groups/new", groups.create, name="group-new"),
    path("groups/<str:group_id>", groups.detail, name="group"),
    path("groups/<str:group_id>/archive", groups.archive, name="group-archive"),
    path("groups/<str:group_id>/members", groups.add_member, name="member-add"),
    path("groups/<str:group_id>/members/<str:person_id>/remove", groups.remove_member, name="member-remove"),
    path("service-accounts", service_accounts.listing, name="service-accounts"),
    path("service-accounts/new", service_accounts.create, name="service-account-new"),
    path("service-accounts/<str:service_account_id>", service_accounts.detail, name="service-account"),
    path("service-accounts/<str:service_account_id>/tokens/new", service_accounts.create_token, name="service-token"),
    path("service-accounts/<str:service_account_id>/disable", service_accounts.disable, name="service-disable"),
    path("service-accounts/<str:service_account_id>/enable", service_accounts.enable, name="service-enable"),
    path("access", grants.listing, name="grants"),
    path("access/roles", roles.listing, name="roles"),
    path("access/roles/new", roles.create, name="role-new"),
    path("access/roles/<str:key>", roles.detail, name="role"),
    path("access/roles/<str:key>/edit", roles.update, name="role-edit"),
    path("access/roles/<str:key>/archive", roles.archive, name="role-archive"),
    path("access/new", grants.create, name="grant-new"),
    path("access/who-can", grants.who_can, name="who-can"),
    path("access/<str:grant_id>/end", grants.end, name="grant-end"),
    path("access/<str:grant_id>/end-date", grants.reschedule, name="grant-reschedule"),
    path("account/tokens", tokens.listing, name="tokens"),
    path("account/tokens/new", tokens.create, name="token-new"),
    path("account/tokens/<str:token_id>/revoke", tokens.revoke, name="token-revoke"),
]
