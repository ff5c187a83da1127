from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "ensign.control.api"
    label = "api"
