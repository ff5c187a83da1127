from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "ensign.control.identity"
    label = "identity"

    def ready(self) -> None:
        """Let providers speak OpenID Connect."""
        from ensign.control.identity.sso import kinds  # deferred: models exist only now
        from ensign.control.identity.sso.oidc import kind  # deferred: as above

        kinds.register("oidc", kind.OIDC)
