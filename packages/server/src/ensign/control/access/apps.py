from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Tell identity what people may do and who is the last to give roles, and the findings what there is here."""
        from ensign.control.access import (  # deferred: models exist only now
            emergency_findings,
            findings,
            powers,
            saml_findings,
            sign_in_findings,
            token_findings,
        )
        from ensign.control.access.last_granter import is_last_granter  # deferred: as above
        from ensign.control.identity import enforcing  # deferred: as above
        from ensign.control.identity.sso import membership  # deferred: as above

        enforcing.register_powers(powers.powers)
        findings.register("sign-in", sign_in_findings.found)
        membership.register_keep(is_last_granter)
        findings.register("saml-certificates", saml_findings.source)
        findings.register("emergency-access", emergency_findings.source)
        findings.register("tokens", token_findings.about_tokens)
        findings.register("service-accounts", token_findings.about_accounts)
