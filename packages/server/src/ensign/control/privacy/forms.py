"""Forms of the pages about privacy. The operations check the rules; their messages come back per field."""

from __future__ import annotations

from django import forms

from ensign.control.identity.forms import PlainForm
from ensign.control.privacy.domain import KEEP_MONTHS_MAX


class AskForm(PlainForm):
    """Asking for an erasure."""

    reason = forms.CharField(
        label="Reason",
        max_length=1000,
        help_text="On what grounds; it stands in the log. Leave out their name and address.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    early = forms.BooleanField(
        label="Although evidence still needs to know who they were",
        required=False,
        help_text="An auditor will ask for what weighed more: say it in the reason.",
    )


class RulesForm(PlainForm):
    """How long identities are kept."""

    keep_months = forms.IntegerField(
        label="Months to keep the identity of somebody who left",
        min_value=0,
        max_value=KEEP_MONTHS_MAX,
        help_text="Auditors look back a year and compare with the one before: 24 months unless your policy says else.",
    )
    reason = forms.CharField(
        label="Reason", max_length=1000, help_text="What asks for it.", widget=forms.Textarea(attrs={"rows": 2})
    )
