from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "ensign.control.monitoring"
    label = "monitoring"

    def ready(self) -> None:
        """Tell what nobody judged in time and who opened what; judge guards of ramps; stand beside flags."""
        from ensign.control.access import findings as registry  # deferred: models exist only now
        from ensign.control.changes import opened  # deferred: models exist only now
        from ensign.control.flags import beside as flags  # deferred: models exist only now
        from ensign.control.monitoring import beside, findings, judging, opening  # deferred: models exist only now
        from ensign.control.releases import guards  # deferred: models exist only now

        guards.register("safeguards", judging.judge)
        registry.register("alerts", findings.overdue)
        opened.register(opening.note)
        flags.register_panels(beside.flag_panels)
