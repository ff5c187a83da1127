from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ensign.control.access"
    label = "access"

    def ready(self) -> None:
        """Let the page of findings tell what access has to put right; let nobody lose the last right to give roles
        because a provider says so.
        """
        from ensign.control.access import directory, finding_sources, findings  # deferred: models exist only now
        from ensign.control.access.last_granter import is_last_granter  # deferred: as above
        from ensign.control.identity.sso import membership  # deferred: as above

        findings.register("toxic pairs", finding_sources.toxic_pairs)
        findings.register("sole granters", finding_sources.sole_granters)
        findings.register("ending grants", finding_sources.ending_grants)
        findings.register("dormant people", finding_sources.dormant_people)
        membership.register_keep(is_last_granter)
        membership.register_admit(directory.admit)
