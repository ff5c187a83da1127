from django.apps import AppConfig


class ProgressionConfig(AppConfig):
    name = "ensign.control.progression"
    label = "progression"

    def ready(self) -> None:
        """Judge every change by what ran before it in lower environments, and let its entry and its page say so."""
        from ensign.control.changes import gates, panels  # deferred: models exist only now
        from ensign.control.progression import judging, pages  # deferred: models exist only now

        gates.register("progression", judging.gate)
        gates.register_witness("progression", judging.witness)
        gates.register_historian("progression", judging.historian)
        panels.register("progression", pages.panel)
