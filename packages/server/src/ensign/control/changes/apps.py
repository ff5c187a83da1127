from django.apps import AppConfig


class ChangesConfig(AppConfig):
    name = "ensign.control.changes"
    label = "changes"

    def ready(self) -> None:
        """Put open requests and the reader's draft beside their flags; void leavers' approvals; keep policies."""
        from ensign.control.access import approval_keys, findings, leaving  # deferred: models exist only now
        from ensign.control.changes import kept, leavers, policy_gates  # deferred: models exist only now
        from ensign.control.changes.waiting import drafted, waiting  # deferred: models exist only now
        from ensign.control.flags import beside, keeping  # deferred: models exist only now

        beside.register(waiting)
        beside.register_draft(drafted)
        leaving.register("changes", leavers.end, hold=leavers.hold)
        # After the requests: whoever applies one locks it before the keys that signed its approvals.
        leaving.register("approval-keys", approval_keys.end, hold=approval_keys.hold)
        findings.register("requests", leavers.ownerless)
        policy_gates.register()
        keeping.register(kept.refusal)
