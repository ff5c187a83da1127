from django.apps import AppConfig


class ChangesConfig(AppConfig):
    name = "ensign.control.changes"
    label = "changes"
