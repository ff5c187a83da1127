from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "ensign.control.integrations"
    label = "integrations"
