"""Forms of the pages that ask who can do what."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from django import forms

from ensign.control.access.as_of import instant
from ensign.control.access.forms import Choices, ScopeFields
from ensign.control.access.permissions import Permission
from ensign.control.identity.forms import PlainForm
from ensign.control.kernel.errors import Invalid

_MINUTE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2})?)\Z")


def moment_field(label: str, help_text: str, *, required: bool = False) -> forms.CharField:
    """A moment, as text: pages work without scripts, and browsers' own fields know no UTC."""
    attributes = {"placeholder": "2026-03-03 or 2026-03-03 14:00", "inputmode": "text", "autocomplete": "off"}
    widget = forms.TextInput(attrs=attributes)
    return forms.CharField(label=label, required=required, max_length=40, help_text=help_text, widget=widget)


def moment_of(text: str, *, at: datetime, field: str) -> datetime | None:
    """The moment that was typed; a time without a zone is UTC here, as the label says.

    :raises Invalid: as ``as_of.instant``.
    """
    return instant(_MINUTE.sub(r"\1T\2Z", text.strip()), at=at, field=field)


class Momentary(PlainForm):
    """A form with a moment in ``as_of``."""

    as_of = moment_field("As of (UTC)", "A date is its beginning, 00:00. Empty: now.")

    def moment(self, *, at: datetime) -> datetime | None:
        """The moment asked about; None for now.

        :raises Invalid: for no date, or the future.
        """
        return moment_of(self.cleaned_data["as_of"], at=at, field="as_of")


class WhoCanForm(Momentary, ScopeFields):
    """A question: who may do this there, then?"""

    permission = forms.ChoiceField(
        label="May", choices=[(str(permission), f"{permission}: {permission.description}") for permission in Permission]
    )
    field_order = ("permission", "project", "environment", "as_of")


class WhatCanForm(Momentary):
    """A question: what may they do, then?"""

    subject = forms.ChoiceField(label="Who")
    field_order = ("subject", "as_of")

    def __init__(self, *args: Any, subjects: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["subject"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(subjects)


class AccessChangesForm(PlainForm):
    """A question: what does access differ by between two moments?"""

    since = moment_field("From (UTC)", "A date is its beginning, 00:00.", required=True)
    until = moment_field("To (UTC)", "Empty: now.")

    def period(self, *, at: datetime) -> tuple[datetime, datetime | None]:
        """Both moments; None for now.

        :raises Invalid: for no date, or the future.
        """
        since = moment_of(self.cleaned_data["since"], at=at, field="since")
        if since is None:
            raise Invalid("The beginning is missing.", fields={"since": "Name a moment."})
        return since, moment_of(self.cleaned_data["until"], at=at, field="until")
