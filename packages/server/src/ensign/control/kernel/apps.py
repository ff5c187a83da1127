from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "ensign.control.kernel"
    label = "kernel"
