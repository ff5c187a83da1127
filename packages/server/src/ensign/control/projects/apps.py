from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "ensign.control.projects"
    label = "projects"
