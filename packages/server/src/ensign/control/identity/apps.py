from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "ensign.control.identity"
    label = "identity"

    def ready(self) -> None:
        """Let providers speak OpenID Connect and, where its libraries are installed, SAML."""
        from ensign.control.identity.sso import kinds, saml_kind  # deferred: models exist only now
        from ensign.control.identity.sso.oidc import kind  # deferred: as above

        kinds.register("oidc", kind.OIDC)
        saml_kind.register()
