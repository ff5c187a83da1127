from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "ensign.control.flags"
    label = "flags"
