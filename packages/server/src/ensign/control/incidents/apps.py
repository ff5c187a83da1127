from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "ensign.control.incidents"
    label = "incidents"

    def ready(self) -> None:
        """Tell what is to be put right; lead from a request to an emergency change."""
        from ensign.control.access import findings  # deferred: models exist only now
        from ensign.control.changes import panels  # deferred: models exist only now
        from ensign.control.incidents import findings as ours  # deferred: models exist only now
        from ensign.control.incidents import hurry  # deferred: models exist only now

        panels.register_steers("hurry", hurry.request_panels)
        findings.register("kill reasons", ours.reasons)
        findings.register("emergencies", ours.emergencies)
        findings.register("kill triggers", ours.addresses)
        findings.register("follow-ups", ours.follow_ups)
        findings.register("drills", ours.rehearsals)
