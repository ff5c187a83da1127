"""Addresses of access's pages."""

from __future__ import annotations

from django.urls import path

from ensign.control.access.views import grants, groups, people, providers, service_accounts, setup, tokens

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
    path("service-accounts/<str:service_account_id>/take-over", service_accounts.take_over, name="service-take-over"),
    path("service-accounts/<str:service_account_id>/disable", service_accounts.disable, name="service-disable"),
    path("service-accounts/<str:service_account_id>/enable", service_accounts.enable, name="service-enable"),
    path("access", grants.listing, name="grants"),
    path("access/new", grants.create, name="grant-new"),
    path("access/who-can", grants.who_can, name="who-can"),
    path("access/<str:grant_id>/end", grants.end, name="grant-end"),
    path("identity-providers", providers.listing, name="providers"),
    path("identity-providers/new", providers.create, name="provider-new"),
    path("identity-providers/<str:provider_id>", providers.detail, name="provider"),
    path("identity-providers/<str:provider_id>/try", providers.try_it, name="provider-try"),
    path("identity-providers/<str:provider_id>/map", providers.add_mapping, name="provider-map"),
    path("identity-providers/<str:provider_id>/unmap", providers.remove_mapping, name="provider-unmap"),
    path("identity-providers/<str:provider_id>/enable", providers.enable, name="provider-enable"),
    path("identity-providers/<str:provider_id>/disable", providers.disable, name="provider-disable"),
    path("identity-providers/<str:provider_id>/enforce", providers.enforce, name="provider-enforce"),
    path("identity-providers/<str:provider_id>/release", providers.release, name="provider-release"),
    path(
        "identity-providers/<str:provider_id>/people/<str:identity_id>/release",
        providers.release_identity,
        name="provider-identity-release",
    ),
    path("account/tokens", tokens.listing, name="tokens"),
    path("account/tokens/new", tokens.create, name="token-new"),
    path("account/tokens/<str:token_id>/revoke", tokens.revoke, name="token-revoke"),
    path("account/tokens/<str:token_id>/rotate", tokens.rotate, name="token-rotate"),
]
