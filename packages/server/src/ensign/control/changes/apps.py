from django.apps import AppConfig


class ChangesConfig(AppConfig):
    name = "ensign.control.changes"
    label = "changes"

    def ready(self) -> None:
        """Put open requests and the reader's draft beside their flags; void leavers' approvals."""
        from ensign.control.access import findings, leaving  # deferred: models exist only now
        from ensign.control.changes import leavers  # deferred: models exist only now
        from ensign.control.changes.bulk_views import ACTS  # deferred: models exist only now
        from ensign.control.changes.waiting import drafted, waiting  # deferred: models exist only now
        from ensign.control.flags import beside  # deferred: models exist only now

        beside.register(waiting)
        beside.register_draft(drafted)
        beside.register_acts(ACTS)
        leaving.register("changes", leavers.end, hold=leavers.hold)
        findings.register("requests", leavers.ownerless)
