"""Forms of access's pages. Rules of the domain are checked by the operations; their messages come back per field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms

from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.places import places
from ensign.control.access.presets import PRESETS, Preset
from ensign.control.access.roles import ROLES
from ensign.control.access.tokens import GRANTABLE, TokenWish
from ensign.control.identity.domain import TOKEN_LIFETIME, TOKEN_LIFETIME_MAX
from ensign.control.identity.forms import PlainForm, password_field
from ensign.control.kernel.errors import Invalid

Choices = Sequence[tuple[str, str]]


def _reason(help_text: str = "Stands in the log; say what an auditor would ask.") -> forms.CharField:
    return forms.CharField(
        label="Reason",
        required=False,
        max_length=1000,
        help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


def _roles(*, optional: bool) -> Choices:
    listed = [(role.key, f"{role.name}: {role.description}") for role in ROLES.values()]
    return [("", "None yet"), *listed] if optional else listed


class SetUpForm(PlainForm):
    """The first person, and how changes are approved."""

    organisation = forms.CharField(label="Organisation", max_length=100, help_text="The name that evidence carries.")
    name = forms.CharField(label="Your name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.CharField(
        label="Your e-mail address",
        max_length=254,
        help_text="You sign in with it. Ensign sends no mail.",
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = password_field(
        "Password", new=True, help_text="Four or more unrelated words. It is checked for how easily it is guessed."
    )
    preset = forms.ChoiceField(
        label="How are changes in production approved?",
        choices=[(str(view.key), f"{view.title}. {view.description}") for view in PRESETS.values()],
        widget=forms.RadioSelect,
        initial=str(Preset.SMALL_TEAM),
    )
    control = forms.CharField(
        label="Compensating control",
        required=False,
        max_length=1000,
        help_text="Only for “Just me for now”: what happens instead of a second person's approval. Left empty, it is: "
        + PRESETS[Preset.SOLO].control,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ScopeFields(PlainForm):
    """Where something counts: a project and an environment, both optional, of those there are.

    ``within``: keys of the projects on offer; None for all.
    """

    project = forms.ChoiceField(label="Project", required=False)
    environment = forms.ChoiceField(label="Environment", required=False)

    def __init__(self, *args: Any, within: frozenset[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [place for place in places() if within is None or place.key in within]
        # One list for all projects: a page without scripts cannot narrow it; what does not fit comes back as an error.
        environments = {key: name for place in offered for key, name in place.environments}
        project, environment = self.fields["project"], self.fields["environment"]
        if isinstance(project, forms.ChoiceField) and isinstance(environment, forms.ChoiceField):
            project.choices = [("", "The whole organisation"), *((p.key, f"{p.name} ({p.key})") for p in offered)]
            environment.choices = [("", "All of the project"), *((k, f"{n} ({k})") for k, n in environments.items())]

    def scope(self) -> Scope:
        """The scope that was chosen.

        :raises Invalid: for an environment without a project.
        """
        project = self.cleaned_data.get("project", "").strip() or None
        environment = self.cleaned_data.get("environment", "").strip() or None
        if environment and not project:
            raise Invalid("An environment belongs to a project.", fields={"project": "Choose the project, too."})
        return Scope(project, environment)


class InviteForm(ScopeFields):
    """An address, and at will a role to begin with."""

    email = forms.CharField(label="E-mail address", max_length=254, widget=forms.EmailInput)
    name = forms.CharField(label="Name", required=False, max_length=100, help_text="They may change it on joining.")
    role = forms.ChoiceField(
        label="Role", required=False, choices=_roles(optional=True), widget=forms.RadioSelect, initial=""
    )
    reason = _reason()
    field_order = ("email", "name", "role", "project", "environment", "reason")

    def wishes(self) -> tuple[Wish, ...]:
        """The role asked for, if any."""
        role = self.cleaned_data["role"]
        return (Wish(role=role, scope=self.scope()),) if role else ()


class GrantForm(ScopeFields):
    """A role for somebody."""

    subject = forms.ChoiceField(label="Who")
    role = forms.ChoiceField(label="Role", choices=_roles(optional=False), widget=forms.RadioSelect)
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        help_text="The role ends by itself after this day (UTC). Empty: until somebody ends it.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reason = _reason()
    field_order = ("subject", "role", "project", "environment", "ends_on", "reason")

    def __init__(self, *args: Any, subjects: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["subject"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(subjects)

    def wish(self) -> Wish:
        """The role asked for."""
        day = self.cleaned_data["ends_on"]
        ends_at = None if day is None else datetime.combine(day, time.min, UTC) + timedelta(days=1)
        return Wish(role=self.cleaned_data["role"], scope=self.scope(), ends_at=ends_at)


class ReasonForm(PlainForm):
    """Why."""

    reason = _reason()


class GroupForm(PlainForm):
    """A group's name and what it is for."""

    name = forms.CharField(label="Name", max_length=100)
    description = forms.CharField(
        label="Description", required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )


class ServiceAccountForm(PlainForm):
    """A service account's name, purpose and owner."""

    name = forms.CharField(label="Name", max_length=100)
    purpose = forms.CharField(label="Purpose", max_length=500, help_text="What it does, for whom.")
    owner = forms.ChoiceField(label="Owner", help_text="The person who answers for it. It outlives them here.")

    def __init__(self, *args: Any, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["owner"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(people)


class TokenForm(ScopeFields):
    """A token: name, lifetime, and how it is narrowed."""

    name = forms.CharField(label="Name", max_length=100, help_text="What it is for, such as “laptop” or “deploy”.")
    days = forms.IntegerField(
        label="Lifetime in days", min_value=1, max_value=TOKEN_LIFETIME_MAX.days, initial=TOKEN_LIFETIME.days
    )
    permissions = forms.MultipleChoiceField(
        label="Only these permissions",
        required=False,
        choices=[(str(permission), f"{permission}: {permission.description}") for permission in GRANTABLE],
        help_text="None chosen: everything that its owner may do and a token can. A token never approves.",
        widget=forms.SelectMultiple(attrs={"size": 8}),
    )
    field_order = ("name", "days", "permissions", "project", "environment")

    def wish(self) -> TokenWish:
        """The token asked for."""
        chosen: Iterable[str] = self.cleaned_data["permissions"]
        return TokenWish(
            name=self.cleaned_data["name"],
            days=self.cleaned_data["days"],
            permissions=frozenset(chosen) or None,
            scope=self.scope(),
        )
