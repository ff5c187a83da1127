from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "ensign.control.evidence"
    label = "evidence"
