from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "ensign.control.evidence"
    label = "evidence"

    def ready(self) -> None:
        """Let `ensign ledger verify` compare what lies outside the ledger's own tables."""
        from ensign.control.evidence import drift  # deferred: models exist only now

        drift.register()
