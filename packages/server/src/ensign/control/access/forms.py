"""Forms of access's pages. Rules of the domain are checked by the operations; their messages come back per field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms

from ensign.control.access.domain import Narrowing, Scope
from ensign.control.access.grants import Wish
from ensign.control.access.places import flag_types, places
from ensign.control.access.presets import PRESETS, Preset
from ensign.control.access.roles import Role
from ensign.control.access.tokens import GRANTABLE, TokenWish
from ensign.control.identity.domain import PURPOSE_MAX, TOKEN_LIFETIME, TOKEN_LIFETIME_MAX
from ensign.control.identity.forms import PlainForm, password_field
from ensign.control.kernel.errors import Invalid

Choices = Sequence[tuple[str, str]]

#: Hours that a rotated token goes on for, as pages offer them; the API takes any up to seven days.
OVERLAPS: Final = ((0, "No longer: it ends now"), (1, "1 hour"), (24, "24 hours"), (72, "3 days"), (168, "7 days"))


def reason_field(help_text: str = "Stands in the log; say what an auditor would ask.") -> forms.CharField:
    return forms.CharField(
        label="Reason",
        required=False,
        max_length=1000,
        help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


def _offer(field: forms.Field, choices: Iterable[tuple[str, str]]) -> None:
    """Set what a field offers, which depends on who asks and what there is."""
    if isinstance(field, forms.ChoiceField):
        field.choices = list(choices)


def role_choices(roles: Iterable[Role]) -> Choices:
    """Roles by key, with what they are for where somebody said it."""
    return [(role.key, f"{role.name}: {role.description}" if role.description else role.name) for role in roles]


class SetUpForm(PlainForm):
    """The first person, and how changes are approved."""

    organisation = forms.CharField(label="Organisation", max_length=100, help_text="The name that evidence carries.")
    name = forms.CharField(label="Your name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.CharField(
        label="Your e-mail address",
        max_length=254,
        help_text="You sign in with it.",
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
    role = forms.ChoiceField(label="Role", required=False, widget=forms.RadioSelect, initial="")
    reason = reason_field()
    field_order = ("email", "name", "role", "project", "environment", "reason")

    def __init__(self, *args: Any, roles: Iterable[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["role"], [("", "None yet"), *role_choices(roles)])

    def wishes(self) -> tuple[Wish, ...]:
        """The role asked for, if any."""
        role = self.cleaned_data["role"]
        return (Wish(role=role, scope=self.scope()),) if role else ()


class GrantForm(ScopeFields):
    """A role for somebody."""

    subject = forms.ChoiceField(label="Who")
    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    flag_types = forms.MultipleChoiceField(
        label="Only flags of these types",
        required=False,
        help_text="None chosen: of every type. A narrowed role changes nothing but these flags, so no segment either.",
        widget=forms.CheckboxSelectMultiple,
    )
    tags = forms.CharField(
        label="Only flags with one of these tags",
        required=False,
        max_length=500,
        help_text="With commas between. Empty: whatever their tags.",
    )
    starts_on = forms.DateField(
        label="First day",
        required=False,
        help_text="The role begins with this day (UTC). Empty: at once.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        help_text="The role ends by itself after this day (UTC). Empty: until somebody ends it.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reason = reason_field("Stands with the role and in the log; say what an auditor would ask.")
    field_order = ("subject", "role", "project", "environment", "flag_types", "tags", "starts_on", "ends_on", "reason")

    def __init__(self, *args: Any, subjects: Choices, roles: Iterable[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.fields["subject"], subjects)
        _offer(self.fields["role"], role_choices(roles))
        _offer(self.fields["flag_types"], [(kind, kind) for kind in flag_types()])

    def wish(self, *, at: datetime) -> Wish:
        """The role asked for. Today as the first day means at once."""
        first: date | None = self.cleaned_data["starts_on"]
        tags = (tag.strip() for tag in self.cleaned_data["tags"].split(","))
        return Wish(
            role=self.cleaned_data["role"],
            scope=self.scope(),
            narrowing=Narrowing(
                types=frozenset(self.cleaned_data["flag_types"]), tags=frozenset(tag for tag in tags if tag)
            ),
            starts_at=None if first is None or first == at.date() else datetime.combine(first, time.min, UTC),
            ends_at=_end_of(self.cleaned_data["ends_on"]),
        )


class RescheduleForm(PlainForm):
    """Another end of a role."""

    ends_on = forms.DateField(
        label="Last day",
        required=False,
        help_text="The role ends by itself after this day (UTC). Empty: until somebody ends it.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reason = reason_field()

    def ends_at(self) -> datetime | None:
        """The end asked for."""
        return _end_of(self.cleaned_data["ends_on"])


def _end_of(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC) + timedelta(days=1)


class ReasonForm(PlainForm):
    """Why."""

    reason = reason_field()


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
    purpose = forms.CharField(
        label="Purpose", required=False, max_length=PURPOSE_MAX, help_text="Where the name does not say it."
    )
    field_order = ("name", "purpose", "days", "permissions", "project", "environment", "renew_days")

    def wish(self) -> TokenWish:
        """The token asked for."""
        chosen: Iterable[str] = self.cleaned_data["permissions"]
        return TokenWish(
            name=self.cleaned_data["name"],
            days=self.cleaned_data["days"],
            permissions=frozenset(chosen) or None,
            scope=self.scope(),
            purpose=self.cleaned_data["purpose"],
            renew_days=self.cleaned_data.get("renew_days"),
        )


class ServiceTokenForm(TokenForm):
    """A token of a service account, which may be let rotate itself."""

    renew_days = forms.IntegerField(
        label="May rotate itself for so many days",
        required=False,
        min_value=1,
        max_value=TOKEN_LIFETIME_MAX.days,
        help_text="It then makes its own successors, of the same scope, until that day. Empty: people rotate it.",
    )


class RotateForm(PlainForm):
    """How long a token goes on beside its successor, and why it is rotated."""

    overlap = forms.TypedChoiceField(
        label="The present token goes on for", choices=OVERLAPS, coerce=int, initial=24, widget=forms.RadioSelect
    )
    days = forms.IntegerField(
        label="Lifetime of the new one in days",
        required=False,
        min_value=1,
        max_value=TOKEN_LIFETIME_MAX.days,
        help_text="Empty: as long as the present one was made for.",
    )
    reason = reason_field()

    def overlap_chosen(self) -> timedelta:
        """For how long both work."""
        return timedelta(hours=self.cleaned_data["overlap"])
