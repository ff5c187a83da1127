from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Tell identity what people may do, and the findings what there is to find here."""
        from ensign.control.access import findings, powers, sign_in_findings  # deferred: models exist only now
        from ensign.control.identity import enforcing  # deferred: models exist only now

        enforcing.register_powers(powers.powers)
        findings.register("sign-in", sign_in_findings.found)
