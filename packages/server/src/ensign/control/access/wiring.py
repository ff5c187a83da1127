"""What access tells the apps below it, and which findings it can tell. Called once, when the models are loaded."""

from __future__ import annotations

from ensign.control.access import (
    directory,
    emergency_findings,
    finding_sources,
    findings,
    leaver_requests,
    leaving,
    powers,
    provider_trust,
    saml_findings,
    sign_in_findings,
    token_findings,
)
from ensign.control.access.last_granter import is_last_granter
from ensign.control.identity import enforcing
from ensign.control.identity.sso import membership


def connect() -> None:
    """Tell identity what people may do and who is the last to give roles, and the findings what there is here."""
    enforcing.register_powers(powers.powers)
    membership.register_keep(is_last_granter)
    membership.register_admit(directory.admit)
    leaving.register("access", leaver_requests.end, hold=leaver_requests.hold)
    findings.register("sign-in", sign_in_findings.found)
    findings.register("saml-certificates", saml_findings.source)
    findings.register("providers-alone", provider_trust.source)
    findings.register("emergency-access", emergency_findings.source)
    findings.register("tokens", token_findings.about_tokens)
    findings.register("service-accounts", token_findings.about_accounts)
    findings.register("toxic-pairs", finding_sources.toxic_pairs)
    findings.register("sole-granters", finding_sources.sole_granters)
    findings.register("given-by-one", finding_sources.given_by_one)
    findings.register("ending-grants", finding_sources.ending_grants)
    findings.register("dormant-people", finding_sources.dormant_people)
