from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "ensign.control.releases"
    label = "releases"

    def ready(self) -> None:
        """Follow approved plans, judge them before; pause leavers' ramps; stand beside flags and requests."""
        from ensign.control.access import findings, leaving  # deferred: models exist only now
        from ensign.control.changes import following, gates  # deferred: models exist only now
        from ensign.control.releases import gates as own  # deferred: models exist only now
        from ensign.control.releases import leavers, operations  # deferred: models exist only now

        following.register("releases", operations.begin)
        gates.register("ramps", own.plans)
        leaving.register("releases", leavers.end, hold=leavers.hold)
        findings.register("ramps", leavers.ownerless)
