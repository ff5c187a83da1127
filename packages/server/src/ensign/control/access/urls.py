"""Addresses of access's pages."""

from __future__ import annotations

from django.urls import path

from ensign.control.access.views import duties, grants, groups, inquiries, people, service_accounts, setup, tokens

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
    path("access/new", grants.create, name="grant-new"),
    path("access/who-can", inquiries.who_can, name="who-can"),
    path("access/what-can", inquiries.what_can, name="what-can"),
    path("access/changes", inquiries.changes, name="changes"),
    path("access/export", inquiries.export, name="export"),
    path("access/requests", duties.listing, name="requests"),
    path("access/requests/new", duties.ask, name="request-new"),
    path("access/requests/<str:request_id>", duties.detail, name="request"),
    path("access/requests/<str:request_id>/approve", duties.approve, name="request-approve"),
    path("access/requests/<str:request_id>/refuse", duties.refuse, name="request-refuse"),
    path("access/requests/<str:request_id>/withdraw", duties.withdraw, name="request-withdraw"),
    path("access/requests/<str:request_id>/review", duties.review, name="request-review"),
    path("access/exceptions", duties.exception_list, name="exceptions"),
    path("access/exceptions/new", duties.exception_new, name="exception-new"),
    path("access/exceptions/<str:exception_id>", duties.exception_detail, name="exception"),
    path("access/exceptions/<str:exception_id>/<str:answer>", duties.exception_answer, name="exception-answer"),
    path("access/findings", duties.finding_list, name="findings"),
    path("access/<str:grant_id>/end", grants.end, name="grant-end"),
    path("account/tokens", tokens.listing, name="tokens"),
    path("account/tokens/new", tokens.create, name="token-new"),
    path("account/tokens/<str:token_id>/revoke", tokens.revoke, name="token-revoke"),
]
