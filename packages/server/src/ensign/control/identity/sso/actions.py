"""What sign-in through providers writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

PROVIDER_CREATED = action("provider.created", "connected an identity provider")
PROVIDER_UPDATED = action("provider.updated", "changed an identity provider")
PROVIDER_DISABLED = action("provider.disabled", "disabled an identity provider, ending the sessions that began there")
PROVIDER_ENABLED = action("provider.enabled", "enabled an identity provider again")
PROVIDER_VOUCHED = action("provider.vouched", "vouched for what one person alone had an identity provider trusted with")
PROVIDER_ENFORCED = action("provider.enforced", "made people of its domains sign in through an identity provider alone")
PROVIDER_RELEASED = action("provider.released", "let people of its domains sign in without the identity provider again")

IDENTITY_LINKED = action("identity.linked", "linked a sign-in at a provider to a person")
IDENTITY_RELEASED = action("identity.released", "released a sign-in at a provider from a person")
PERSON_PROVISIONED = action("person.provisioned", "made a person at their first sign-in through a provider")

SESSION_ENDED_BY_PROVIDER = action("session.ended_by_provider", "ended sessions because the provider said so")
