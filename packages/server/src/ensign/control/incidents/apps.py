from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "ensign.control.incidents"
    label = "incidents"
