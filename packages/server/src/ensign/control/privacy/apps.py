from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "ensign.control.privacy"
    label = "privacy"

    def ready(self) -> None:
        """Let backups seal what the data map says is personal, and a restore put tombstones where keys are gone."""
        from ensign.control.privacy import restoring  # deferred: models exist only now

        restoring.register()
