from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"
