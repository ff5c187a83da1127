from django.apps import AppConfig


class ScimConfig(AppConfig):
    name = "ensign.control.scim"
    label = "scim"
