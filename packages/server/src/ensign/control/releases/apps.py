from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "ensign.control.releases"
    label = "releases"
