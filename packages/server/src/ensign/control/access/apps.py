from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Connect this app with those below it."""
        from ensign.control.access.wiring import connect  # deferred: models exist only now

        connect()
