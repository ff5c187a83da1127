from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "ensign.control.monitoring"
    label = "monitoring"
