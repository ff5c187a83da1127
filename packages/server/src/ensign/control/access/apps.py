from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Let nobody lose the last right to give roles because a provider says so; tell which certificates end."""
        from ensign.control.access import emergency_findings, findings, saml_findings  # deferred: models exist only now
        from ensign.control.access.last_granter import is_last_granter  # deferred: models exist only now
        from ensign.control.identity.sso import membership  # deferred: models exist only now

        membership.register_keep(is_last_granter)
        findings.register("saml-certificates", saml_findings.source)
        findings.register("emergency-access", emergency_findings.source)
