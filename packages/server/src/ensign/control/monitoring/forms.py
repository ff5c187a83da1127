"""Forms of alerts and of what is watched: what is typed stays; the operation decides what is right."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms

from ensign.control.access.forms import reason_field
from ensign.control.identity.forms import PlainForm
from ensign.control.monitoring.domain.kinds import KINDS, SEVERITIES
from ensign.control.monitoring.domain.rules import BOUNDS, Rules
from ensign.control.monitoring.queries import Wanted
from ensign.control.projects.demands import Hours

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT: Final = tuple(day[:3].lower() for day in DAYS)
_STATUS = [
    ("waiting", "Not judged yet"),
    ("overdue", "Overdue"),
    ("open", "Nobody looks into it yet"),
    ("acknowledged", "Somebody looks into it"),
    ("triaged", "Judged"),
    ("all", "All"),
]
_OPTIONAL = [kind for kind in KINDS.values() if kind.optional]


def _date(label: str) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class AlertFilter(PlainForm):
    """Which alerts; all of it stands in the address."""

    status = forms.ChoiceField(label="State", required=False, choices=_STATUS)
    severity = forms.ChoiceField(
        label="Severity", required=False, choices=[("", "Any"), *((one, one.capitalize()) for one in SEVERITIES)]
    )
    kind = forms.ChoiceField(
        label="About", required=False, choices=[("", "Anything"), *((kind.code, kind.title) for kind in KINDS.values())]
    )
    project = forms.ChoiceField(label="Project", required=False)
    since = _date("From")
    until = _date("To")

    def __init__(self, data: Any, *, projects: list[str]) -> None:
        super().__init__(data)
        field = self.fields["project"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "Everywhere"), *((key, key) for key in projects)]

    def wanted(self) -> Wanted:
        """What was asked, once the form is valid."""
        given = self.cleaned_data
        status = given.get("status") or "waiting"
        return Wanted(
            status="" if status == "all" else status,
            severity=given.get("severity") or "",
            kind=given.get("kind") or "",
            project=given.get("project") or "",
            since=_midnight(given.get("since")),
            until=_midnight(given.get("until"), after=True),
        )


def _midnight(day: date | None, *, after: bool = False) -> datetime | None:
    if day is None or (after and day == date.max):
        return None
    return datetime.combine(day + timedelta(days=1) if after else day, time.min, UTC)


class TriageForm(PlainForm):
    """The verdict on an alert."""

    verdict = forms.ChoiceField(
        label="Was it expected?",
        required=False,
        widget=forms.RadioSelect,
        choices=[("expected", "Expected: nothing is wrong"), ("unexpected", "Unexpected: something follows from it")],
    )
    reason = forms.CharField(
        label="How do you know?",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Whom you asked, what you read. Stands in the log.",
    )
    follow_up = forms.CharField(
        label="What follows",
        required=False,
        max_length=500,
        help_text="For the unexpected: the incident, the request or the task that deals with it.",
    )


def _number(name: str, label: str, help_text: str = "") -> forms.IntegerField:
    low, high = BOUNDS[name]
    return forms.IntegerField(label=label, min_value=low, max_value=high, help_text=help_text)


def _clock(label: str) -> forms.TimeField:
    return forms.TimeField(label=label, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))


class RulesForm(PlainForm):
    """What is watched."""

    watched = forms.MultipleChoiceField(
        label="Raise an alert when",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(kind.code, kind.title) for kind in _OPTIONAL],
        help_text="What bypasses controls, weakens them or breaks the log always raises one.",
    )
    days = forms.MultipleChoiceField(
        label="Working days", required=False, widget=forms.CheckboxSelectMultiple, choices=list(enumerate(DAYS))
    )
    start = _clock("Work begins")
    end = _clock("Work ends")
    zone = forms.CharField(label="Time zone", max_length=60, help_text="Such as Europe/Oslo.")
    project_hours = forms.CharField(
        label="Projects with hours of their own",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "input-mono", "spellcheck": "false"}),
        help_text="One a line: shop mon-fri 07:00-16:00 Europe/Oslo",
    )
    mass_flags = _number("mass_flags", "Many flags are at least")
    mass_minutes = _number("mass_minutes", "At once means within (minutes)")
    rare_days = _number("rare_days", "Rarely seen: no change of a protected environment for (days)")
    hasty_seconds = _number(
        "hasty_seconds",
        "Without having looked: approved within (seconds)",
        "After it was put up. Approving without having opened the request counts whatever the time.",
    )
    reciprocal_percent = _number(
        "reciprocal_percent",
        "Two people approve each other: at least (per cent)",
        "Of the approvals that each one got.",
    )
    reciprocal_least = _number("reciprocal_least", "And each at least (times in 30 days)")
    wide_token_days = _number(
        "wide_token_days", "A token is wide that is narrowed in nothing and lives longer than (days)"
    )
    high_days = _number("high_days", "Alerts of high severity are judged within (days)")
    medium_days = _number("medium_days", "Of medium severity within (days)")
    low_days = _number("low_days", "Of low severity within (days)")
    reason = reason_field()
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    _SECTIONS = (
        ("What is watched", ("watched",)),
        ("Working hours", ("days", "start", "end", "zone", "project_hours")),
        ("From when on it is conspicuous", (
            "mass_flags", "mass_minutes", "rare_days", "hasty_seconds", "reciprocal_percent", "reciprocal_least",
            "wide_token_days",
        )),
        ("Deadlines", ("high_days", "medium_days", "low_days")),
        ("Why", ("reason", "version")),
    )  # fmt: skip

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under headings, in the order in which they are shown."""
        return [(title, [self[name] for name in names]) for title, names in self._SECTIONS]

    @staticmethod
    def beginning(rules: Rules, version: int) -> dict[str, Any]:
        """The form's values for rules in force."""
        return {
            **{name: getattr(rules, name) for name in BOUNDS},
            "watched": [kind.code for kind in _OPTIONAL if rules.watches(kind.code)],
            "days": [str(day) for day in rules.hours.days],
            "start": _time(rules.hours.start),
            "end": _time(rules.hours.end),
            "zone": rules.hours.zone,
            "project_hours": "\n".join(
                f"{key} {_days(hours)} {_time(hours.start)}-{_time(hours.end)} {hours.zone}"
                for key, hours in sorted(rules.project_hours.items())
            ),
            "version": version,
        }

    def clean_project_hours(self) -> dict[str, Hours]:
        """The lines as hours by project."""
        found = {}
        for line in self.cleaned_data["project_hours"].splitlines():
            if line.strip():
                key, hours = _line(line)
                found[key] = hours
        return found

    def wanted(self) -> Rules:
        """The rules asked for."""
        data = self.cleaned_data
        end = _minutes(data["end"])
        return Rules(
            off=tuple(kind.code for kind in _OPTIONAL if kind.code not in data["watched"]),
            hours=Hours(
                days=tuple(sorted(int(day) for day in data["days"])),
                start=_minutes(data["start"]),
                end=end or 24 * 60,
                zone=data["zone"].strip(),
            ),
            project_hours=data["project_hours"],
            **{name: data[name] for name in BOUNDS},
        )


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _time(minutes: int) -> str:
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _days(hours: Hours) -> str:
    run = list(range(hours.days[0], hours.days[-1] + 1)) if hours.days else []
    if len(run) > 2 and run == list(hours.days):
        return f"{_SHORT[run[0]]}-{_SHORT[run[-1]]}"
    return ",".join(_SHORT[day] for day in hours.days)


def _line(line: str) -> tuple[str, Hours]:
    """``shop mon-fri 07:00-16:00 Europe/Oslo``.

    :raises ValidationError: naming the line that is not of this form.
    """
    parts = line.split()
    try:
        key, days, times, zone = parts if len(parts) == 4 else (*parts, "UTC")
        begin, _, end = times.partition("-")
        return key, Hours(
            days=_day_numbers(days),
            start=_minutes(time.fromisoformat(begin)),
            end=_minutes(time.fromisoformat(end)) or 24 * 60,
            zone=zone,
        )
    except ValueError as error:
        raise forms.ValidationError(
            f"“{line.strip()[:80]}” is not like: shop mon-fri 07:00-16:00 Europe/Oslo"
        ) from error


def _day_numbers(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        begin = _SHORT.index(first)
        found |= set(range(begin, _SHORT.index(last or first) + 1))
    return tuple(sorted(found))
