"""Forms of safeguards: what is typed stays; the operation decides what is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django import forms

from ensign.control.access.forms import reason_field
from ensign.control.identity.forms import PlainForm
from ensign.control.monitoring.domain.safeguards import (
    ACTS,
    MEASURES,
    POLLED,
    SOURCES,
    Act,
    Measure,
    Source,
    SourceKind,
)
from ensign.control.monitoring.guarding import SafeguardWish
from ensign.control.monitoring.prometheus import CREDENTIALS, Present

Choices = list[tuple[str, str]]


def _offer(field: forms.Field, choices: Choices) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = choices


class SafeguardForm(PlainForm):
    """A new safeguard. Which fields count depends on the source; the others may stay empty."""

    use_required_attribute = False  # the browser's own words would hide ours

    flag = forms.ChoiceField(label="Flag")
    environment = forms.ChoiceField(label="Environment")
    key = forms.CharField(
        label="Key", max_length=64, help_text="Such as checkout-errors. A ramp's plan names it by this."
    )
    act = forms.ChoiceField(
        label="When it is too much, it", choices=list(ACTS.items()), help_text="Either is a standard change."
    )
    account = forms.ChoiceField(
        label="Acting as", help_text="A service account whose role allows this here; its name stands in the log."
    )
    source = forms.ChoiceField(label="Where the number comes from", choices=list(SOURCES.items()))
    query = forms.CharField(
        label="Query",
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 2, "class": "input-mono", "spellcheck": "false"}),
        help_text="For Prometheus: one that gives one number, such as sum(rate(checkout_errors_total[1m])).",
    )
    measure = forms.ChoiceField(
        label="Measure", required=False, choices=list(MEASURES.items()), help_text="For impact metrics."
    )
    metric = forms.CharField(label="Metric", required=False, max_length=100, help_text="For impact metrics: its name.")
    per = forms.CharField(label="For each one of", required=False, max_length=100, help_text="For a ratio alone.")
    minutes = forms.IntegerField(label="Over (minutes)", required=False, min_value=1, max_value=60, initial=5)
    labels = forms.CharField(
        label="Labels",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 2, "class": "input-mono", "spellcheck": "false"}),
        help_text="One a line: alertname=CheckoutErrors. For Alertmanager and impact metrics.",
    )
    path = forms.CharField(
        label="Path",
        required=False,
        max_length=200,
        help_text="For a webhook: where its number stands, such as data.value. Empty: the message itself says so.",
    )
    direction = forms.ChoiceField(
        label="Too much is", choices=[("above", "above the threshold"), ("below", "below the threshold")]
    )
    threshold = forms.CharField(label="Threshold", max_length=30, required=False, help_text="Such as 0.05.")
    checks = forms.IntegerField(
        label="In how many consecutive checks",
        min_value=1,
        max_value=240,
        initial=3,
        help_text="It is checked every 15 seconds.",
    )
    no_data_minutes = forms.IntegerField(
        label="Raise an alert after so many minutes without data", min_value=1, max_value=1_440, initial=15
    )
    reason = reason_field()

    SECTIONS = (
        ("What it guards", ("flag", "environment", "key", "act", "account")),
        ("What it looks at", ("source", "query", "measure", "metric", "per", "minutes", "labels", "path")),
        ("When it acts", ("direction", "threshold", "checks", "no_data_minutes")),
        ("Why", ("reason",)),
    )

    #: Shown for these sources alone; ``needed``: not optional there, whatever the field says for all of them.
    FOR: ClassVar[Mapping[str, str]] = {
        "query": "for-prometheus needed",
        **dict.fromkeys(("measure", "metric", "minutes"), "for-impact needed"),
        "per": "for-impact",
        "labels": "for-impact for-alertmanager",
        "path": "for-webhook",
        **dict.fromkeys(("direction", "threshold", "checks"), "for-prometheus for-impact for-webhook needed"),
        "no_data_minutes": "for-prometheus for-impact",
    }

    def __init__(
        self, *args: Any, flags: Choices, environments: Choices, accounts: Choices, changes: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["flag"], flags)
        _offer(self.fields["environment"], environments)
        _offer(self.fields["account"], accounts)
        if changes:
            for name in ("flag", "environment", "key", "source"):
                self.fields[name].disabled = True

    def sections(self) -> list[tuple[str, list[tuple[forms.BoundField, str]]]]:
        """The fields under headings, in the order in which they are shown; each with the classes that say for which
        sources it is, where it is not for all of them.
        """
        return [(title, [(self[name], self.FOR.get(name, "")) for name in names]) for title, names in self.SECTIONS]

    def clean(self) -> dict[str, Any]:
        """A number to hold against is needed, and never guessed, where there is one to hold."""
        data = super().clean() or self.cleaned_data
        compares = data.get("source") in POLLED or (data.get("source") == "webhook" and data.get("path", "").strip())
        if compares and not data.get("threshold", "").strip():
            self.add_error("threshold", "Give the number from which on it is too much, such as 0.05.")
        return data

    def clean_labels(self) -> dict[str, str]:
        """The lines as labels."""
        found = {}
        for line in self.cleaned_data["labels"].splitlines():
            if line.strip():
                name, equals, value = line.partition("=")
                if not equals:
                    raise forms.ValidationError(f"“{line.strip()[:60]}” is not like alertname=CheckoutErrors")
                found[name.strip()] = value.strip()
        return found

    def wish(self) -> SafeguardWish:
        """What was asked for, once the form is valid; of the source only what its kind uses."""
        data = self.cleaned_data
        kind = cast("SourceKind", data["source"])
        match kind:
            case "prometheus":
                source = Source(kind=kind, query=data["query"].strip())
            case "impact":
                source = Source(
                    kind=kind,
                    measure=cast("Measure", data["measure"] or "increase"),
                    metric=data["metric"].strip(),
                    per=data["per"].strip(),
                    minutes=data["minutes"] or 5,
                    labels=data["labels"],
                )
            case "alertmanager":
                source = Source(kind=kind, labels=data["labels"])
            case _:
                source = Source(kind="webhook", path=data["path"].strip())
        return SafeguardWish(
            flag=data["flag"],
            source=source,
            account=data["account"],
            act=cast("Act", data["act"]),
            above=data["direction"] == "above",
            threshold=data["threshold"].strip() or "0",
            checks=data["checks"],
            no_data_minutes=data["no_data_minutes"],
        )


class PrometheusForm(PlainForm):
    """Which Prometheus is asked."""

    url = forms.CharField(
        label="Address",
        required=False,
        max_length=500,
        help_text="Such as https://prometheus.example.com. Empty: none. An internal one is allowed by"
        " ENSIGN_PROMETHEUS_ALLOW, which who runs the server sets.",
    )
    credentials = forms.ChoiceField(
        label="Credentials",
        choices=list(zip(CREDENTIALS, ("None", "A bearer token", "User and password"), strict=True)),
    )
    secret = forms.CharField(
        label="Token, or user:password",
        required=False,
        max_length=4_000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored sealed and never shown. Empty: the one that is there stays.",
    )
    reason = reason_field()
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    @staticmethod
    def beginning(present: Present) -> dict[str, Any]:
        """The form's values for what is set."""
        return {"url": present.url, "credentials": present.credentials, "version": present.version}
