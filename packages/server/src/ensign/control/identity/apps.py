from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "ensign.control.identity"
    label = "identity"
