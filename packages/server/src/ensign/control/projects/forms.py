"""Forms of projects, environments and tokens: what is typed stays; the operation decides what is right."""

from __future__ import annotations

from typing import Any

from django import forms

from ensign.control.access.forms import OVERLAPS
from ensign.control.identity.domain import PURPOSE_MAX
from ensign.control.kernel.errors import EnsignError
from ensign.control.projects import presets, token_rules

_AREA = forms.Textarea(attrs={"rows": 2})


def attach(form: forms.Form, error: EnsignError) -> None:
    """Show a refusal at the fields that it names, and at the top what belongs to none."""
    rest = []
    for name, text in error.fields.items():
        if name in form.fields:
            form.add_error(name, text)
        else:
            rest.append(text)
    if rest or not error.fields:
        form.add_error(None, " ".join([error.message, error.remedy, *rest]).strip())


class TextForm(forms.Form):
    """Without the browser's own checks, whose words would hide ours."""

    use_required_attribute = False


class ProjectForm(TextForm):
    """A new project."""

    name = forms.CharField(label="Name", max_length=200)
    key = forms.CharField(
        label="Key",
        max_length=200,
        help_text="Stands in addresses and tokens and can't be changed: letters, digits, hyphens, underscores.",
    )
    description = forms.CharField(label="Description", required=False, widget=_AREA)
    preset = forms.ChoiceField(label="What changes in production ask for", widget=forms.RadioSelect)
    compensating_control = forms.CharField(
        label="Compensating control",
        required=False,
        widget=_AREA,
        help_text="For “One person”: what is done instead of an approval. Shown wherever an approval would be.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(p.key, f"{p.name}. {p.description}") for p in presets.PRESETS.values()]
        self.fields["preset"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField


class PresetForm(TextForm):
    """The preset of the installation."""

    preset = forms.ChoiceField(label="What new projects ask for", widget=forms.RadioSelect)
    compensating_control = forms.CharField(
        label="Compensating control",
        required=False,
        widget=_AREA,
        help_text="For “One person”: what is done instead of an approval. Shown wherever an approval would be.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(p.key, f"{p.name}. {p.description}") for p in presets.PRESETS.values()]
        self.fields["preset"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField


class DescriptionForm(TextForm):
    """A project's name and description."""

    name = forms.CharField(label="Name", max_length=200)
    description = forms.CharField(label="Description", required=False, widget=_AREA)
    default_stickiness = forms.CharField(
        label="Stickiness of new rollouts",
        max_length=200,
        help_text="default, random, or a field of the context such as userId.",
    )


class EnvironmentForm(TextForm):
    """A further environment."""

    name = forms.CharField(label="Name", max_length=200)
    key = forms.CharField(label="Key", max_length=200, help_text="Stands in tokens: without dots and colons.")
    protected = forms.BooleanField(
        label="Protected", required=False, help_text="Changes need the approval of one other person."
    )


class TokenForm(TextForm):
    """A new client token for this project."""

    name = forms.CharField(label="Name", max_length=200, help_text="Which application uses it, and where.")
    type = forms.ChoiceField(
        label="Type",
        choices=[
            ("backend", "Backend: rules are evaluated in the application"),
            ("frontend", "Frontend: browsers and phones get answers, never rules"),
            ("edge", "Edge: a node of yours serves this project’s applications from a copy of the rules"),
        ],
        widget=forms.RadioSelect,
        initial="backend",
    )
    environment = forms.ChoiceField(label="Environment")
    expires_on = forms.DateField(
        label="Ends on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="At the end of that day in UTC. Without a date it ends after a year, or the longest time allowed.",
    )
    never = forms.BooleanField(
        label="It does not end", required=False, help_text="Only where the organisation's rules allow it."
    )
    purpose = forms.CharField(
        label="Purpose", required=False, max_length=PURPOSE_MAX, help_text="Where the name does not say it."
    )

    def __init__(self, *args: Any, environments: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["environment"].choices = environments  # type: ignore[attr-defined]  # a ChoiceField


class RotateForm(TextForm):
    """How long a client token goes on beside its successor."""

    overlap = forms.TypedChoiceField(
        label="The present token goes on for", choices=OVERLAPS, coerce=int, initial=24, widget=forms.RadioSelect
    )
    reason = forms.CharField(label="Reason", required=False, max_length=1000, widget=_AREA)


class TokenRulesForm(TextForm):
    """How long client tokens to come may live."""

    max_days = forms.IntegerField(label="Longest lifetime in days", min_value=1, max_value=token_rules.MAX_DAYS)
    never = forms.ChoiceField(
        label="Tokens without an end",
        choices=[
            ("nowhere", "Nowhere"),
            ("unprotected", "Where changes need no approval"),
            ("everywhere", "Everywhere"),
        ],
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(label="Reason", required=False, max_length=1000, widget=_AREA)


class TokenFilterForm(TextForm):
    """Which tokens to show."""

    kind = forms.ChoiceField(
        label="Kind",
        required=False,
        choices=[
            ("", "Every kind"),
            ("personal", "Personal"),
            ("service", "Service account"),
            ("federated", "CI job"),
            ("directory", "Directory (SCIM)"),
            ("backend", "Client, backend"),
            ("frontend", "Client, front end"),
            ("edge", "Client, edge"),
        ],
    )
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[
            ("", "Those that count"),
            ("active", "Active"),
            ("rotating", "Being replaced"),
            ("expired", "Expired"),
            ("revoked", "Revoked"),
            ("all", "All"),
        ],
    )
