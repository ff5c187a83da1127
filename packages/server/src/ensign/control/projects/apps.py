from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "ensign.control.projects"
    label = "projects"

    def ready(self) -> None:
        """Tell access which projects and environments grants and tokens may name."""
        from ensign.control.access import places  # deferred: models exist only now
        from ensign.control.projects import queries  # deferred: models exist only now

        places.register(queries.places)
