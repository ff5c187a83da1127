from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "ensign.control.incidents"
    label = "incidents"

    def ready(self) -> None:
        """Tell what is to be put right."""
        from ensign.control.access import findings  # deferred: models exist only now
        from ensign.control.incidents import findings as ours  # deferred: models exist only now

        findings.register("kill reasons", ours.reasons)
        findings.register("emergencies", ours.emergencies)
        findings.register("kill triggers", ours.addresses)
        findings.register("follow-ups", ours.follow_ups)
        findings.register("drills", ours.rehearsals)
