"""What the log's pages are asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms

from ensign.control.audit.history import Filters

FORMATS = [("csv", "CSV"), ("csv-spreadsheet", "CSV for spreadsheets"), ("json", "JSON")]


def _date(label: str, help_text: str = "") -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, help_text=help_text, widget=widget)


def start_of(day: date | None) -> datetime | None:
    """Midnight UTC at the start of ``day``."""
    return None if day is None else datetime.combine(day, time.min, UTC)


def end_of(day: date | None) -> datetime | None:
    """Midnight UTC at the end of ``day``."""
    if day is None:
        return None
    # The last day of the calendar has no midnight at its end.
    return datetime.combine(day, time.max, UTC) if day == date.max else start_of(day + timedelta(days=1))


class LogFilter(forms.Form):
    """The filters of the log; all optional, all in the address."""

    q = forms.ChoiceField(label="What", required=False)
    actor = forms.ChoiceField(label="Who", required=False)
    project = forms.ChoiceField(label="Project", required=False)
    environment = forms.ChoiceField(label="Environment", required=False)
    since = _date("From")
    until = _date("To")
    object = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    WHAT: ClassVar[list[tuple[str, str]]] = [
        ("", "Everything"),
        ("changes", "Changes that applied"),
        ("access.denied", "Refusals"),
        ("change_request.", "Change requests"),
        ("flag.", "Flags"),
        ("segment.", "Segments"),
        ("person.", "People"),
        ("grant.", "Grants"),
        ("session.", "Sign-ins"),
        ("token.", "Tokens"),
        ("ledger.", "Custody of the log"),
    ]

    def __init__(
        self,
        data: Any,
        *,
        people: list[tuple[str, str]],
        projects: list[str],
        environments: list[str],
        codes: list[tuple[str, str]],
    ) -> None:
        super().__init__(data)
        what, who, where = self.fields["q"], self.fields["actor"], self.fields["project"]
        assert isinstance(what, forms.ChoiceField)
        assert isinstance(who, forms.ChoiceField)
        assert isinstance(where, forms.ChoiceField)
        stage = self.fields["environment"]
        assert isinstance(stage, forms.ChoiceField)
        stage.choices = [("", "Any"), *((key, key) for key in environments)]
        known = {code for code, _ in self.WHAT}
        what.choices = [*self.WHAT, *((code, title) for code, title in codes if code not in known)]
        who.choices = [("", "Anybody"), *people]
        where.choices = [("", "Everywhere"), *((key, key) for key in projects)]

    def filters(self) -> Filters:
        """What was asked, once the form is valid."""
        given = self.cleaned_data
        what = given.get("q") or ""
        return Filters(
            action=None if what in {"", "changes"} else what,
            changes_only=what == "changes",
            actor=given.get("actor") or None,
            project=given.get("project") or None,
            environment=given.get("environment") or None,
            object=given.get("object") or None,
            since=start_of(given.get("since")),
            until=end_of(given.get("until")),
        )


class ChangesExportForm(forms.Form):
    """Which changes to export."""

    project = forms.ChoiceField(label="Project", required=False)
    environment = forms.CharField(label="Environment", required=False, max_length=100, help_text="Empty means all.")
    since = _date("From", "The first day, in UTC.")
    until = _date("To", "The last day, in UTC.")
    format = forms.ChoiceField(
        label="Format",
        choices=FORMATS,
        help_text="The variant for spreadsheets makes texts inert that a spreadsheet would run as a formula.",
    )

    def __init__(
        self, data: Any = None, *, projects: list[str], all_projects: bool, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.fields["since"].required = self.fields["until"].required = True
        field = self.fields["project"]
        assert isinstance(field, forms.ChoiceField)
        field.required = not all_projects
        field.choices = [*([("", "All projects")] if all_projects else []), *((key, key) for key in projects)]
