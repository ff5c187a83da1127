"""Forms of the pages about identity providers. Rules are the operations'; their messages come back per field."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms

from ensign.control.access.providers import HOURS_MAX, ProviderWish
from ensign.control.identity.forms import PlainForm
from ensign.control.identity.sso.domain import SHAPES, ProviderView
from ensign.control.identity.sso.oidc.shapes import SCOPES

MONO: Final = {"class": "input-mono", "spellcheck": "false", "autocomplete": "off"}


class ProviderForm(PlainForm):
    """What every provider has. A kind's own form adds its settings (``own``) and perhaps a secret."""

    #: Names of the fields that are settings of the kind.
    own: ClassVar[tuple[str, ...]] = ()

    name = forms.CharField(label="Name", max_length=60, help_text="As the button says it: “Sign in with …”.")
    shape = forms.ChoiceField(label="Made by", choices=list(SHAPES.items()))
    domains = forms.CharField(
        label="E-mail domains",
        required=False,
        help_text="Of your organisation's people, with spaces between. Whoever enters such an address is led here, and"
        " only such addresses find or make a person.",
        widget=forms.TextInput(attrs=MONO),
    )
    group_claim = forms.CharField(
        label="Groups stand in", required=False, initial="groups", max_length=200, widget=forms.TextInput(attrs=MONO)
    )
    provisioning = forms.BooleanField(
        label="Make people at their first sign-in",
        required=False,
        help_text="Without any role but those of their groups. Off: only who was invited gets in.",
    )
    mfa_counts = forms.BooleanField(
        label="Its second factor counts as Ensign's",
        required=False,
        help_text="For approvals and administration. Tick it only if you trust how the provider asks for it.",
    )
    recheck_minutes = forms.IntegerField(
        label="Check again after (minutes)",
        min_value=0,
        initial=60,
        help_text="The next page asks the provider, unseen; who left is out then, at the latest after twice as long."
        " 0: never.",
    )
    session_hours = forms.IntegerField(
        label="Sign in again after (hours)", min_value=1, max_value=HOURS_MAX, initial=12
    )

    def __init__(self, *args: Any, new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not new:
            self.fields.pop("key", None)

    def wish(self) -> ProviderWish:
        """The provider asked for."""
        data = self.cleaned_data
        return ProviderWish(
            name=data["name"],
            shape=data["shape"],
            settings={name: data[name] for name in self.own},
            secret=data.get("secret", ""),
            domains=data["domains"].replace(",", " ").split(),
            provisioning=data["provisioning"],
            mfa_counts=data["mfa_counts"],
            group_claim=data["group_claim"],
            recheck_minutes=data["recheck_minutes"],
            session_hours=data["session_hours"],
        )

    @classmethod
    def initial_of(cls, provider: ProviderView) -> dict[str, Any]:
        """What the form shows of a provider as it stands; never a secret."""
        return {
            **{name: provider.settings.get(name, "") for name in cls.own},
            "name": provider.name,
            "shape": provider.shape,
            "domains": " ".join(provider.domains),
            "provisioning": provider.provisioning,
            "mfa_counts": provider.mfa_counts,
            "group_claim": provider.group_claim,
            "recheck_minutes": provider.recheck_minutes,
            "session_hours": provider.session_hours,
        }


class OidcProviderForm(ProviderForm):
    """A provider that speaks OpenID Connect."""

    own = ("issuer", "client_id", "scopes", "tenant", "trust_email", "strong_acr")

    key = forms.CharField(
        label="Key",
        max_length=40,
        help_text="Such as okta or entra. Never changes: it stands in the redirect address that you enter at the"
        " provider, …/sso/<key>/callback.",
        widget=forms.TextInput(attrs=MONO),
    )
    issuer = forms.CharField(
        label="Issuer",
        required=False,
        max_length=500,
        help_text="Such as https://example.okta.com. Empty: Google's, or that of the Entra tenant below.",
        widget=forms.TextInput(attrs=MONO),
    )
    client_id = forms.CharField(label="Client id", max_length=255, widget=forms.TextInput(attrs=MONO))
    secret = forms.CharField(
        label="Client secret",
        required=False,
        max_length=1000,
        strip=True,
        help_text="Sealed, and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    tenant = forms.CharField(
        label="Entra: directory (tenant) id", required=False, max_length=36, widget=forms.TextInput(attrs=MONO)
    )
    scopes = forms.CharField(
        label="Scopes",
        required=False,
        max_length=500,
        help_text=f"Empty: {SCOPES['generic']}; for Okta also groups.",
        widget=forms.TextInput(attrs=MONO),
    )
    strong_acr = forms.CharField(
        label="acr values that say a second factor was used",
        required=False,
        max_length=200,
        help_text="Besides “mfa” in amr, which always does.",
        widget=forms.TextInput(attrs=MONO),
    )
    trust_email = forms.BooleanField(
        label="Addresses of this provider count as verified",
        required=False,
        help_text="For Entra, which does not say whether they are. Only if nobody there chooses their own address.",
    )
    field_order = (
        "name", "key", "shape", "issuer", "tenant", "client_id", "secret", "scopes", "domains", "trust_email",
        "provisioning", "group_claim", "mfa_counts", "strong_acr", "recheck_minutes", "session_hours",
    )  # fmt: skip

    def __init__(self, *args: Any, new: bool, **kwargs: Any) -> None:
        super().__init__(*args, new=new, **kwargs)
        if not new:
            self.fields["secret"].help_text = "Empty: the present one stays. Sealed, and never shown."
