"""Forms of the pages about the directory and leavers. The operations check; their messages come back per field."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django import forms

from ensign.control.identity.forms import PlainForm
from ensign.control.scim import departures, tokens


class TokenForm(PlainForm):
    """A token of the directory."""

    name = forms.CharField(label="Name", max_length=100, help_text="For example the name of your identity provider.")
    days = forms.IntegerField(
        label="Lifetime in days",
        min_value=1,
        max_value=tokens.DAYS_MAX,
        initial=tokens.DAYS,
        help_text="When it ends, nobody is made or removed any more; a finding says so two weeks before.",
    )


class RotateForm(PlainForm):
    """The next token, and how long the present one goes on."""

    days = forms.IntegerField(label="Lifetime in days", min_value=1, max_value=tokens.DAYS_MAX, initial=tokens.DAYS)
    overlap_hours = forms.IntegerField(
        label="The present token ends after (hours)",
        min_value=0,
        max_value=tokens.OVERLAP_HOURS_MAX,
        initial=tokens.OVERLAP_HOURS,
        help_text="Time to give the new one to your identity provider. Both work meanwhile.",
    )


def _day(label: str, help_text: str = "") -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, help_text=help_text, widget=widget)


class PeriodForm(PlainForm):
    """Which leavers: days in UTC, both included."""

    since = _day("From")
    until = _day("To")

    def period(self) -> tuple[datetime, datetime]:
        """``[since, until)``."""
        first, last = self.cleaned_data["since"], self.cleaned_data["until"]
        return midnight(first), midnight(min(last, date.max - timedelta(days=1)) + timedelta(days=1))


class DepartureForm(PlainForm):
    """When somebody's employment ends or ended."""

    terminated_at = forms.DateTimeField(
        label="Employment ends (UTC)",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text="It deactivates nobody: it starts the clock of the report. Empty: nobody knows.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = forms.CharField(label="Reason", required=False, max_length=1000)


class LimitForm(PlainForm):
    """Within how many hours a leaver must be out."""

    hours = forms.IntegerField(
        label="Leavers must be out within (hours)",
        min_value=1,
        max_value=departures.HOURS_MAX,
        help_text="As your own policy says: auditors test you against it.",
    )
    reason = forms.CharField(label="Reason", required=False, max_length=1000)


def midnight(day: date) -> datetime:
    """The start of a day, UTC."""
    return datetime.combine(day, time.min, UTC)
