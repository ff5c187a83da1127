from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "ensign.control.integrations"
    label = "integrations"

    def ready(self) -> None:
        """Tell changes which ticket systems a project has."""
        from ensign.control.changes import tickets  # deferred: models exist only now
        from ensign.control.integrations import registry  # deferred: models exist only now

        tickets.register(registry.systems)
