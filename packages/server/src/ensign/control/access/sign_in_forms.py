"""Forms about signing in: the rules, the organisation-wide reset, and the filter of the history."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django import forms

from ensign.control.access.forms import Choices, reason_field
from ensign.control.access.logins import TITLES
from ensign.control.identity.forms import PlainForm
from ensign.control.identity.rules import BOUNDS, LOCALS, Rules

_LINES = ("networks", "service_networks")
_SECTIONS = (
    ("Accounts", ("local", "listed")),
    ("Second factors", ("factor", "passkeys", "grace_days", "step_up_minutes")),
    ("Sessions", ("idle_minutes", "session_hours")),
    ("Networks", ("networks", "service_networks", "trace_days")),
    ("Tokens", ("personal_token_days", "service_token_days")),
    ("Why", ("reason", "version")),
)


def _number(name: str, label: str, help_text: str) -> forms.IntegerField:
    low, high = BOUNDS[name]
    return forms.IntegerField(label=label, min_value=low, max_value=high, help_text=help_text)


def _networks(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=20_000,
        help_text=f"{help_text} One range a line, such as 192.0.2.0/24 or 2001:db8::/32. Empty: from anywhere.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "input-mono", "spellcheck": "false"}),
    )


class SignInRulesForm(PlainForm):
    """The rules of signing in."""

    local = forms.ChoiceField(
        label="Who may sign in with an account of Ensign's own?",
        choices=[(key, text.capitalize()) for key, text in LOCALS.items()],
        help_text="Everybody else signs in through an identity provider. Emergency access stays possible.",
    )
    listed = forms.MultipleChoiceField(
        label="The people listed", required=False, widget=forms.SelectMultiple(attrs={"size": 6})
    )
    factor = forms.ChoiceField(
        label="Who must have a second factor?",
        choices=[("nobody", "Nobody"), ("powerful", "Administrators and approvers"), ("everybody", "Everybody")],
        help_text="Who has none is led to enrol it, before anything else, once the time below is over.",
    )
    passkeys = forms.BooleanField(
        label="Approvers use passkeys, nothing else",
        required=False,
        help_text="A passkey cannot be phished: it answers to this address alone. Codes still open the door.",
    )
    grace_days = _number("grace_days", "Days to enrol", "Counted from when more is asked for.")
    idle_minutes = _number("idle_minutes", "Sessions end when unused for (minutes)", "60 is what NIST asks for.")
    session_hours = _number("session_hours", "Sessions end after (hours)", "However busy they are.")
    step_up_minutes = _number(
        "step_up_minutes",
        "A proved second factor counts for (minutes)",
        "Approving and administering ask for it again afterwards.",
    )
    networks = _networks("Where people come from", "For pages, their sessions and personal tokens.")
    service_networks = _networks("Where service accounts come from", "For their tokens. SDKs are not concerned.")
    personal_token_days = _number("personal_token_days", "Personal tokens live at most (days)", "New ones.")
    service_token_days = _number("service_token_days", "Tokens of service accounts live at most (days)", "New ones.")
    trace_days = _number(
        "trace_days",
        "Network addresses of sign-ins are kept for (days)",
        "The sign-ins themselves stay in the log for ever.",
    )
    reason = reason_field()
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, *args: Any, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["listed"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(people)

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under headings, in the order in which they are shown."""
        return [(title, [self[name] for name in names]) for title, names in _SECTIONS]

    @staticmethod
    def beginning(rules: Rules, version: int) -> dict[str, Any]:
        """The form's values for rules in force."""
        values: dict[str, Any] = {field.name: getattr(rules, field.name) for field in fields(rules)}
        return {**values, **{name: "\n".join(values[name]) for name in _LINES}, "version": version}

    def wanted(self) -> Rules:
        """The rules asked for."""
        data = {name: value for name, value in self.cleaned_data.items() if name not in {"reason", "version"}}
        for name in _LINES:
            data[name] = tuple(line for line in data[name].splitlines() if line.strip())
        data["listed"] = tuple(data["listed"])
        return Rules(**data)


class ResetForm(PlainForm):
    """Ending everybody's sessions."""

    own = forms.BooleanField(label="My own session, too", required=False)
    tokens = forms.BooleanField(
        label="Revoke personal tokens, too", required=False, help_text="Tokens of service accounts go on."
    )
    reason = reason_field()


class LoginFilter(PlainForm):
    """What to look for in the history of sign-ins."""

    person = forms.ChoiceField(label="Person", required=False)
    outcome = forms.ChoiceField(label="What", required=False, choices=[("", "Anything"), *TITLES.items()])
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["person"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "Anybody"), *people]
