"""Forms of requests for access and of exceptions from segregation of duties."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms

from ensign.control.access.asked import EXCEPTION_MAX, OWN_MAX
from ensign.control.access.duties import PAIRS
from ensign.control.access.forms import Choices, ScopeFields, role_choices
from ensign.control.access.roles import Role
from ensign.control.identity.forms import PlainForm

_LENGTHS = (
    (60, "1 hour"),
    (480, "8 hours"),
    (1440, "1 day"),
    (4320, "3 days"),
    (10_080, "1 week"),
    (int(OWN_MAX / timedelta(minutes=1)), f"{OWN_MAX.days} days"),
)


def _text(label: str, help_text: str, *, required: bool = True) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 2})
    return forms.CharField(label=label, required=required, max_length=1000, help_text=help_text, widget=widget)


class AskForm(ScopeFields):
    """A role for oneself, for a while."""

    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    minutes = forms.TypedChoiceField(
        label="For how long",
        choices=_LENGTHS,
        coerce=int,
        initial=480,
        help_text="From the approval on; it ends by itself.",
    )
    reason = _text("What for", "Whoever approves reads it; it stands in the log.")
    field_order = ("role", "project", "environment", "minutes", "reason")

    def __init__(self, *args: Any, roles: Iterable[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(role_choices(roles))

    def lasts(self) -> timedelta:
        """For how long."""
        return timedelta(minutes=self.cleaned_data["minutes"])


class AnswerForm(PlainForm):
    """Why, for an answer."""

    reason = _text("Reason", "Needed to refuse and to review; stands in the log.", required=False)


class ExceptionForm(ScopeFields):
    """An exception to propose."""

    subject = forms.ChoiceField(label="For whom")
    pairs = forms.MultipleChoiceField(
        label="What is excepted",
        choices=[(pair.key, f"{pair.title}: together they let somebody {pair.risk}") for pair in PAIRS.values()],
        widget=forms.CheckboxSelectMultiple,
    )
    reason = _text("Why", "Why nobody else can hold one of the two.")
    control = _text("Compensating control", "What is done instead, by whom, how often.")
    until = forms.DateField(
        label="Last day",
        help_text=f"At most {EXCEPTION_MAX.days} days from now; it ends by itself after this day (UTC).",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    field_order = ("subject", "pairs", "project", "environment", "reason", "control", "until")

    def __init__(self, *args: Any, subjects: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["subject"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(subjects)

    def expires_at(self) -> datetime:
        """The end of the last day."""
        return datetime.combine(self.cleaned_data["until"], time.min, UTC) + timedelta(days=1)
