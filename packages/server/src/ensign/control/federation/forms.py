"""Forms of federation's pages. The rules are checked by the operations; their messages come back per field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from ensign.control.access.forms import ScopeFields
from ensign.control.access.tokens import GRANTABLE
from ensign.control.federation.domain import MINUTES_DEFAULT, MINUTES_MAX, MINUTES_MIN, RuleView, RuleWish
from ensign.control.federation.verify import MAX_TOKEN
from ensign.control.identity.forms import PlainForm
from ensign.control.kernel.errors import Invalid


class RuleForm(ScopeFields):
    """A rule: whom it trusts, what the job's token must say, and what the job may do."""

    name = forms.CharField(label="Name", max_length=100, help_text="Such as “deploy from main”.")
    shape = forms.ChoiceField(
        label="The CI",
        choices=[
            ("github", "GitHub Actions"),
            ("gitlab", "GitLab CI"),
            ("other", "Another issuer of ID tokens"),
        ],
        widget=forms.RadioSelect,
        initial="github",
    )
    issuer = forms.CharField(
        label="Issuer",
        max_length=500,
        help_text="The claim iss, letter by letter: https://token.actions.githubusercontent.com or https://gitlab.com,"
        " or the address of a GitLab of your own.",
    )
    audience = forms.CharField(
        label="Audience", max_length=500, help_text="The claim aud. The job asks its CI for a token for it."
    )
    claims = forms.CharField(
        label="Claims that must match",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="One a line, name = pattern. * stands for a run without / and :, ** for one without :. Pin the"
        " repository: repository = acme/shop for GitHub, project_path = acme/shop for GitLab, an exact sub elsewhere.",
    )
    minutes = forms.IntegerField(
        label="Lifetime of the job's token in minutes",
        min_value=MINUTES_MIN,
        max_value=MINUTES_MAX,
        initial=MINUTES_DEFAULT,
    )
    permissions = forms.MultipleChoiceField(
        label="Only these permissions",
        required=False,
        choices=[(str(permission), f"{permission}: {permission.description}") for permission in GRANTABLE],
        help_text="None chosen: everything that the service account may do and a token can. A token never approves.",
        widget=forms.SelectMultiple(attrs={"size": 8}),
    )
    field_order = (
        "name", "shape", "issuer", "audience", "claims", "minutes", "permissions", "project", "environment",
    )  # fmt: skip

    def wish(self) -> RuleWish:
        """The rule asked for.

        :raises Invalid: when the claims cannot be read.
        """
        data = self.cleaned_data
        return RuleWish(
            name=data["name"],
            shape=data["shape"],
            issuer=data["issuer"],
            audience=data["audience"],
            claims=claims_of(data["claims"]),
            permissions=frozenset(data["permissions"]) or None,
            scope=self.scope(),
            minutes=data["minutes"],
        )


def claims_of(text: str) -> dict[str, str]:
    """``name = pattern``, one a line.

    :raises Invalid: naming the line that is not of that form, or the claim that stands twice.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, pattern = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not name or not equals or not pattern:
            raise Invalid(
                "A claim cannot be read.", fields={"claims": f"“{line[:80]}” is not of the form name = pattern."}
            )
        if name in found:
            raise Invalid("A claim stands twice.", fields={"claims": f"“{name[:80]}” stands twice."})
        found[name] = pattern
    return found


def text_of(claims: Mapping[str, str]) -> str:
    """The inverse of :func:`claims_of`."""
    return "\n".join(f"{name} = {pattern}" for name, pattern in claims.items())


def initial_of(rule: RuleView) -> dict[str, Any]:
    """A rule as the form shows it."""
    return {
        "name": rule.name,
        "shape": rule.shape,
        "issuer": rule.issuer,
        "audience": rule.audience,
        "claims": text_of(rule.claims),
        "minutes": rule.minutes,
        "permissions": list(rule.permissions or ()),
        "project": rule.project or "",
        "environment": rule.environment or "",
    }


class TryForm(PlainForm):
    """An ID token to try out."""

    subject_token = forms.CharField(
        label="ID token of a job",
        max_length=MAX_TOKEN + 1,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text="It is read and forgotten. Nothing is made of it, and it can still be exchanged afterwards.",
    )
