"""Forms of the incidents' pages. Rules of the domain are checked by the operations, whose words come back per field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from ensign.control.identity.forms import PlainForm
from ensign.control.incidents import drilling, emergency, triggering
from ensign.control.incidents.states import SEVERITIES

Choices = Iterable[tuple[str, str]]


def _text(label: str, help_text: str = "", *, required: bool = True, rows: int = 2) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, max_length=10_000, help_text=help_text,
        widget=forms.Textarea(attrs={"rows": rows}),
    )  # fmt: skip


def _moment(label: str, help_text: str, *, required: bool = False) -> forms.DateTimeField:
    """A moment in UTC, to the minute."""
    return forms.DateTimeField(
        label=label, required=required, help_text=help_text,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip


def _offer(field: forms.Field, choices: Choices) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = list(choices)


_SEVERITIES = [(key, f"{key.upper()}: {text}") for key, text in SEVERITIES.items()]


class DeclareForm(PlainForm):
    """A new incident."""

    title = forms.CharField(label="What is wrong", max_length=200, widget=forms.TextInput(attrs={"autofocus": True}))
    severity = forms.ChoiceField(label="Severity", choices=_SEVERITIES, widget=forms.RadioSelect, initial="sev2")
    projects = forms.MultipleChoiceField(label="Projects", widget=forms.CheckboxSelectMultiple)
    environment = forms.ChoiceField(label="Environment", required=False)
    detected_at = _moment("Detected at", "UTC. Leave empty for now.")
    began_at = _moment("Began at", "UTC, when the harm began; leave empty if nobody knows yet.")
    suspected_flag = forms.CharField(label="Suspected flag", required=False, max_length=100)
    suspected_change = forms.CharField(
        label="Suspected change", required=False, max_length=64, help_text="The id of a request, crq_…"
    )
    kills = forms.MultipleChoiceField(
        label="Kill switches that were pressed already", required=False, widget=forms.CheckboxSelectMultiple
    )
    text = _text("First line of the log", "What you see and what was done.", required=False)

    def __init__(self, *args: Any, projects: Choices, environments: Choices, kills: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["projects"], projects)
        _offer(self.fields["environment"], [("", "All of them"), *environments])
        offered = list(kills)
        _offer(self.fields["kills"], offered)
        if not offered:
            del self.fields["kills"]


class LineForm(PlainForm):
    """A line of the log."""

    text = _text("What happened, or what is known now")


class MitigateForm(PlainForm):
    """That the harm has ended."""

    when = _moment("Mitigated at", "UTC. Leave empty for now.")
    text = _text("What helped", required=False)


class SayForm(PlainForm):
    """A line that goes with a step."""

    text = _text("What is to be said about it", required=False)


class ConcludeForm(PlainForm):
    """The cause, and corrections."""

    severity = forms.ChoiceField(label="Severity", choices=_SEVERITIES)
    began_at = _moment("Began at", "UTC, when the harm began.")
    detected_at = _moment("Detected at", "UTC.", required=True)
    root_cause = _text("Root cause", "What made it possible, not who did it.", required=False, rows=5)


class FollowUpForm(PlainForm):
    """Something to do."""

    text = _text("What is to be done")
    owner = forms.ChoiceField(label="By whom")
    due = forms.DateField(label="By when", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["owner"], people)


class KillForm(PlainForm):
    """A flag to switch off at once."""

    place = forms.ChoiceField(label="Where")
    flag = forms.CharField(label="Flag", max_length=100, help_text="Its key. It goes off at once, without approval.")
    reason = _text("Why", "May be given later.", required=False)

    def __init__(self, *args: Any, places: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["place"], places)


class BreakGlassForm(PlainForm):
    """Opening an environment for emergency changes by oneself."""

    place = forms.ChoiceField(label="Where")
    flags = forms.CharField(
        label="Flags", required=False, max_length=2_000,
        help_text="Keys, separated by spaces. Empty: every flag and segment of the environment.",
    )  # fmt: skip
    hours = forms.TypedChoiceField(
        label="For how long", coerce=int, initial=emergency.HOURS_DEFAULT,
        choices=[(n, f"{n} hour{'' if n == 1 else 's'}") for n in range(emergency.HOURS[0], emergency.HOURS[1] + 1)],
        help_text="It ends by itself.",
    )  # fmt: skip
    reason = _text("Why it cannot wait", "Everybody sees it, and the reviewer reads it.")

    def __init__(self, *args: Any, places: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["place"], places)


class ReviewForm(PlainForm):
    """The independent review."""

    verdict = forms.ChoiceField(label="What you found", choices=emergency.VERDICTS.items(), widget=forms.RadioSelect)
    finding = _text("What you looked at, and what you found", rows=4)
    follow_up = _text("What is done about it", "Needed unless it was justified: what, and by whom.", required=False)


class TriggerForm(PlainForm):
    """A new address."""

    name = forms.CharField(label="Name", max_length=100, help_text="Which system calls it, for example Alertmanager.")
    place = forms.ChoiceField(label="Where")
    flag = forms.CharField(label="Flag", max_length=100, help_text="Its key.")
    mode = forms.ChoiceField(
        label="How requests prove themselves", choices=triggering.MODES.items(), widget=forms.RadioSelect,
        initial="signed",
    )  # fmt: skip
    days = forms.IntegerField(
        label="Days", min_value=1, max_value=triggering.DAYS_MAX, initial=triggering.DAYS_DEFAULT,
        help_text=f"Then it ends; at most {triggering.DAYS_MAX}.",
    )  # fmt: skip

    def __init__(self, *args: Any, places: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["place"], places)


class PlanForm(PlainForm):
    """A new plan of drills."""

    place = forms.ChoiceField(label="Where")
    flag = forms.CharField(
        label="Flag", max_length=100,
        help_text="Its key. A drill switches it off for everybody, so that a flag made for drills is best.",
    )  # fmt: skip
    every_days = forms.IntegerField(
        label="Every how many days", min_value=drilling.EVERY[0], max_value=drilling.EVERY[1], initial=90
    )
    target_ms = forms.IntegerField(
        label="Target in milliseconds", min_value=drilling.TARGET_MS[0], max_value=drilling.TARGET_MS[1],
        initial=drilling.TARGET_DEFAULT, help_text="By then every application on a stream is to run without it.",
    )  # fmt: skip
    automatic = forms.BooleanField(label="Ensign runs it when it is due", required=False)

    def __init__(self, *args: Any, places: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["place"], places)
