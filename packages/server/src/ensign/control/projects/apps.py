from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "ensign.control.projects"
    label = "projects"

    def ready(self) -> None:
        """Tell access which projects and environments grants and tokens may name, and what is found about tokens."""
        from ensign.control.access import findings, places  # deferred: models exist only now
        from ensign.control.projects import credentials, queries  # deferred: models exist only now

        places.register(queries.places)
        findings.register("client tokens", credentials.about_client_tokens)
