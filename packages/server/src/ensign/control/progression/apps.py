from django.apps import AppConfig


class ProgressionConfig(AppConfig):
    name = "ensign.control.progression"
    label = "progression"
