"""What access tells the apps below it, and which findings it can tell. Called once, when models are loaded."""

from __future__ import annotations

from ensign.control.access import emergency_findings, findings, powers, saml_findings, sign_in_findings
from ensign.control.access.last_granter import is_last_granter
from ensign.control.identity import enforcing
from ensign.control.identity.sso import membership


def connect() -> None:
    """Tell identity what people may do and who is the last to give roles, and the findings what there is here."""
    enforcing.register_powers(powers.powers)
    membership.register_keep(is_last_granter)
    findings.register("sign-in", sign_in_findings.found)
    findings.register("saml-certificates", saml_findings.source)
    findings.register("emergency-access", emergency_findings.source)
