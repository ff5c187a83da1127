"""Forms of the pages about roles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django import forms

from ensign.control.access.custom_roles import DESCRIPTION_MAX, RoleWish
from ensign.control.access.permissions import Level, Permission, at_level
from ensign.control.access.roles import EVERY, Role
from ensign.control.identity.forms import PlainForm


def _allowed(level: Level, label: str) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        choices=[(str(one), f"{one.description} ({one})") for one in at_level(level)],
        widget=forms.CheckboxSelectMultiple,
    )


class RoleForm(PlainForm):
    """What a role is called and allows. ``fixed``: its key stands and is not asked for."""

    key = forms.CharField(
        label="Key", max_length=50, help_text="Grants and the API name the role by it, for good: release-manager."
    )
    name = forms.CharField(label="Name", max_length=100)
    description = forms.CharField(
        label="Who it is for", required=False, max_length=DESCRIPTION_MAX, widget=forms.Textarea(attrs={"rows": 2})
    )
    organisation = _allowed(Level.ORGANISATION, "In the organisation its holders may …")
    project = _allowed(Level.PROJECT, "In a project …")
    environment = _allowed(Level.ENVIRONMENT, "In an environment …")
    assigns = forms.MultipleChoiceField(
        label="Roles that its holders give to others",
        required=False,
        help_text="Where they may give any at all, by a permission above. They need not hold these themselves.",
        widget=forms.CheckboxSelectMultiple,
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=1000,
        help_text="Stands in the log; say what an auditor would ask.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, roles: Iterable[Role], fixed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if fixed:
            del self.fields["key"]
        else:
            del self.fields["reason"]
        field = self.fields["assigns"]
        if isinstance(field, forms.ChoiceField):
            every = (EVERY, "Every role; within a project every one that neither approves nor gives roles")
            field.choices = [every, *((role.key, role.name) for role in roles)]

    def wish(self) -> RoleWish:
        """The role asked for."""
        data = self.cleaned_data
        return RoleWish(
            name=data["name"],
            description=data["description"],
            permissions=[code for level in Level for code in data[str(level)]],
            assigns=data["assigns"],
        )


def initial(role: Role) -> dict[str, Any]:
    """A role as the form shows it."""
    return {
        "name": role.name,
        "description": role.description,
        **{str(level): [str(one) for one in at_level(level) if one in role.permissions] for level in Level},
        "assigns": sorted(role.assigns),
    }


def seen(role: Role, *, version: int) -> str:
    """What stands for a change whose effect was shown: the role that it would make, and of which version."""
    parts = [version, role.name, role.description, sorted(map(str, role.permissions)), sorted(role.assigns)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def by_level(role: Role) -> list[tuple[Level, list[tuple[Permission, bool]]]]:
    """Every permission by level, and whether the role has it."""
    return [(level, [(one, one in role.permissions) for one in at_level(level)]) for level in Level]
