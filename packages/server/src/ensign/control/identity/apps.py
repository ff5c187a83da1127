from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "ensign.control.identity"
    label = "identity"

    def ready(self) -> None:
        """Let providers speak OpenID Connect and, where it is installed, SAML; tell whether there is a seal."""
        from ensign.control.identity.emergency import queries  # deferred: models exist only now
        from ensign.control.identity.sso import enforcement, kinds, saml_kind  # deferred: models exist only now
        from ensign.control.identity.sso.oidc import kind  # deferred: models exist only now

        kinds.register("oidc", kind.OIDC)
        saml_kind.register()
        enforcement.register_emergency(queries.sealed)
