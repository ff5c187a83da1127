from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "ensign.control.identity"
    label = "identity"

    def ready(self) -> None:
        from ensign.control.identity.sso import saml_kind  # deferred: models are loaded when Django calls this

        saml_kind.register()
