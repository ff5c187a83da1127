from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "ensign.control.monitoring"
    label = "monitoring"

    def ready(self) -> None:
        """Tell what nobody judged in time; remember who opened which request."""
        from ensign.control.access import findings as registry  # deferred: models exist only now
        from ensign.control.changes import opened  # deferred: models exist only now
        from ensign.control.flags import beside  # deferred: models exist only now
        from ensign.control.monitoring import (  # deferred: models exist only now
            findings,
            opening,
            safeguard_queries,  # deferred: models exist only now
        )
        from ensign.control.monitoring.judging import judge  # deferred: models exist only now
        from ensign.control.releases import guards  # deferred: models exist only now

        beside.register(safeguard_queries.beside)
        guards.register("safeguards", judge)
        registry.register("alerts", findings.overdue)
        opened.register(opening.note)
