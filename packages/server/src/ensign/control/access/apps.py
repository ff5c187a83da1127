from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Tell identity what people may do and who is the last to give roles, and the findings what there is here."""
        from ensign.control.access import findings, powers, sign_in_findings  # deferred: models exist only now
        from ensign.control.access.last_granter import is_last_granter  # deferred: as above
        from ensign.control.identity import enforcing  # deferred: as above
        from ensign.control.identity.sso import membership  # deferred: as above

        enforcing.register_powers(powers.powers)
        findings.register("sign-in", sign_in_findings.found)
        membership.register_keep(is_last_granter)
