from django.apps import AppConfig


class ScimConfig(AppConfig):
    name = "ensign.control.scim"
    label = "scim"

    def ready(self) -> None:
        """Tell what the directory asked for and did not get, and which tokens it has."""
        from ensign.control.access import credentials as all_tokens  # deferred: models exist only now
        from ensign.control.access import findings as registry  # deferred: models exist only now
        from ensign.control.scim import credentials, findings  # deferred: models exist only now

        registry.register("leavers", findings.overdue)
        all_tokens.register("directory", credentials.credentials)
