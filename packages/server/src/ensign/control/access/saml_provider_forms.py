"""The form of a provider that speaks SAML."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from ensign.control.access.provider_forms import MONO, ProviderForm
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.saml_kind import FLAGS, TEXTS

_TALL: Final = {**MONO, "rows": "4"}


def pem(bodies: list[str]) -> str:
    """Stored certificates as somebody pastes them."""
    marks = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    return "\n".join(f"{marks[0]}\n{body}\n{marks[1]}" for body in bodies)


class SamlProviderForm(ProviderForm):
    """A provider that speaks SAML 2.0: its metadata, or what stands in them by hand."""

    own = (*TEXTS, *FLAGS, "metadata", "read_again", "certificates")

    key = forms.CharField(
        label="Key",
        max_length=40,
        help_text="Such as okta or entra. Never changes: it stands in the addresses that you enter at the provider,"
        " …/sso/<key>/metadata and …/sso/<key>/acs.",
        widget=forms.TextInput(attrs=MONO),
    )
    metadata_url = forms.CharField(
        label="Address of its metadata", required=False, max_length=2000, widget=forms.TextInput(attrs=MONO)
    )
    read_again = forms.BooleanField(
        label="Read the metadata again from this address",
        required=False,
        help_text="As when the provider has a new certificate. Without it nothing is fetched.",
    )
    metadata = forms.CharField(
        label="Or paste its metadata",
        required=False,
        max_length=1_048_576,
        help_text="XML. It fills in the four fields below.",
        widget=forms.Textarea(attrs=_TALL),
    )
    entity_id = forms.CharField(label="Entity ID", required=False, max_length=1024, widget=forms.TextInput(attrs=MONO))
    sign_on_url = forms.CharField(
        label="Sign-on address (HTTP-Redirect)",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs=MONO),
    )
    logout_url = forms.CharField(
        label="Log-out address (HTTP-Redirect)",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs=MONO),
    )
    certificates = forms.CharField(
        label="Certificates that it signs with",
        required=False,
        max_length=60_000,
        help_text="PEM, one after another: while keys roll over, the old and the new.",
        widget=forms.Textarea(attrs=_TALL),
    )
    email_attribute = forms.CharField(
        label="Attribute with the e-mail address",
        required=False,
        max_length=200,
        help_text="Empty: the usual names are looked for, then a NameID that is an address.",
        widget=forms.TextInput(attrs=MONO),
    )
    name_attribute = forms.CharField(
        label="Attribute with the name", required=False, max_length=200, widget=forms.TextInput(attrs=MONO)
    )
    message_signed = forms.BooleanField(
        label="The response must be signed, besides the assertion",
        required=False,
        initial=FLAGS["message_signed"],
        help_text="Leave it on unless the provider signs only assertions, as Entra and Google do by default.",
    )
    encrypted = forms.BooleanField(
        label="The assertion must be encrypted",
        required=False,
        help_text="For the certificate in Ensign's metadata; the response must then be signed, too.",
    )
    any_name_id = forms.BooleanField(
        label="Ask for no particular format of the NameID",
        required=False,
        help_text="Off: persistent is asked for. For ADFS and others that refuse what they were not set up for.",
    )
    idp_initiated = forms.BooleanField(
        label="Accept sign-ins that begin at the provider",
        required=False,
        help_text="From its list of applications. Nobody can then tell whether the person meant to sign in.",
    )
    sha1 = forms.BooleanField(
        label="Accept SHA-1 signatures",
        required=False,
        help_text="Broken since 2017; only until the provider is set up better.",
    )
    field_order = (
        "name", "key", "shape", "metadata_url", "read_again", "metadata", "entity_id", "sign_on_url", "logout_url",
        "certificates", "domains", "provisioning", "email_attribute", "name_attribute", "group_claim", "message_signed",
        "encrypted", "any_name_id", "idp_initiated", "sha1", "mfa_counts", "recheck_minutes", "session_hours",
    )  # fmt: skip

    def __init__(self, *args: Any, new: bool, **kwargs: Any) -> None:
        super().__init__(*args, new=new, **kwargs)
        self.fields["group_claim"].help_text = "An attribute. Where it is missing, the usual names are looked for."
        if new:
            del self.fields["read_again"]

    def clean(self) -> dict[str, Any]:
        """A new provider's metadata are always read."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data.setdefault("read_again", "read_again" not in self.fields)
        return data

    @classmethod
    def initial_of(cls, provider: ProviderView) -> dict[str, Any]:
        """What the form shows of a provider as it stands."""
        kept = provider.settings
        return {**super().initial_of(provider), "certificates": pem(kept["certificates"]), "metadata": ""}
