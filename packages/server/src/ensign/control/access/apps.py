from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Tell what access itself finds."""
        from ensign.control.access import findings, token_findings  # deferred: models exist only now

        findings.register("tokens", token_findings.about_tokens)
        findings.register("service accounts", token_findings.about_accounts)
