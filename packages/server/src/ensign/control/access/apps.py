from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Tell what access itself finds; let nobody lose the last right to give roles because a provider says so."""
        from ensign.control.access import findings, token_findings  # deferred: models exist only now
        from ensign.control.access.last_granter import is_last_granter  # deferred: as above
        from ensign.control.identity.sso import membership  # deferred: as above

        membership.register_keep(is_last_granter)
        findings.register("tokens", token_findings.about_tokens)
        findings.register("service accounts", token_findings.about_accounts)
