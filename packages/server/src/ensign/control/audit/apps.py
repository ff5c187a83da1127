from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "ensign.control.audit"
    label = "audit"
