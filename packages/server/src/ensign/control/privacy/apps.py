from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "ensign.control.privacy"
    label = "privacy"

    def ready(self) -> None:
        """Tell the backups what is personal and what a restore does about it, and the findings what is overdue."""
        from ensign.control.access import leaving  # deferred: models exist only now
        from ensign.control.privacy import leavers, overdue, restoring  # deferred: models exist only now

        leaving.register("privacy", leavers.end, hold=leavers.hold)
        restoring.register()
        overdue.register()
