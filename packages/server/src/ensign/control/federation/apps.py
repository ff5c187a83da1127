from django.apps import AppConfig


class FederationConfig(AppConfig):
    name = "ensign.control.federation"
    label = "federation"
