"""The parts of the form of a policy, and what each is filled with: plain fields, read back as what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms

from ensign.control.access.domain import TIERS
from ensign.control.changes.domain.policy_reading import read_demand
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.checking import MAX_DELAY_HOURS, MAX_REQUEST_DAYS
from ensign.control.projects.demands import (
    APPROVAL_HOURS,
    Approvers,
    Demand,
    Freeze,
    Hours,
    Progression,
    Rule,
    When,
)
from ensign.control.projects.domain import MAX_APPROVALS
from ensign.control.projects.forms import TextForm
from ensign.control.projects.policy_words import DAYS, approvers, clock_time

_AREA = forms.Textarea(attrs={"rows": 2})
_CHECKS = forms.CheckboxSelectMultiple
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What can be chosen: (value, label) of roles, groups, lower environments, operations and flag types."""

    roles: Choices
    groups: Choices
    lower: Choices
    operations: Choices
    flag_types: Choices


def _number(label: str, *, least: int, most: int, required: bool = False, help: str = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=least, max_value=most, required=required, help_text=help)


def _several(label: str, help: str = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(label=label, required=False, widget=_CHECKS, help_text=help)


class Part(TextForm):
    """A part of the policy; its choices are put in when it is made."""

    #: Field -> member of :class:`Known`.
    chosen: Mapping[str, str] = {}

    def __init__(self, *args: Any, known: Known, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, member in self.chosen.items():
            field = cast(forms.ChoiceField, self.fields[name])
            first: Choices = [("", "None")] if not isinstance(field, forms.MultipleChoiceField) else []
            field.choices = [*first, *getattr(known, member)]
            if not field.choices and member == "groups":
                field.help_text = "There is no group yet: an administrator makes one under People & access, Groups."

    def several(self, name: str) -> tuple[str, ...]:
        """What was chosen in a list."""
        return tuple(self.cleaned_data.get(name) or ())


class _DemandPart(Part):
    """What a change must have."""

    approvals = _number(
        "Approvals by other people", least=0, most=MAX_APPROVALS,
        help="Nobody ever approves what they wrote or edited. Empty: none.",
    )  # fmt: skip
    each_group = _several("At least one approval from each of these groups")
    requires_reason = forms.BooleanField(label="A reason", required=False)
    requires_ticket = forms.BooleanField(label="A ticket", required=False)
    requires_tests = forms.BooleanField(label="A test run that passed", required=False)
    signed = forms.BooleanField(label="Approvals signed with a passkey", required=False)
    approval_hours = _number(
        "An approval counts for so many hours", least=1, most=APPROVAL_HOURS, help="Empty: seven days (168 hours)."
    )
    max_step = _number(
        "Largest rollout step", least=1, most=100,
        help="Percentage points by which a rollout may grow at once. Empty: any.",
    )  # fmt: skip

    def demand(self, *, narrowings: Sequence[Approvers], lower: Sequence[Progression]) -> Demand:
        """The demand as typed, with what is kept elsewhere."""
        given = self.cleaned_data
        return Demand(
            approvals=given.get("approvals") or 0,
            approvers=tuple(one for one in narrowings if not one.anybody),
            each_group=self.several("each_group"),
            requires_reason=given.get("requires_reason", False),
            requires_ticket=given.get("requires_ticket", False),
            requires_tests=given.get("requires_tests", False),
            signed=given.get("signed", False),
            approval_hours=given.get("approval_hours") or APPROVAL_HOURS,
            max_step=given.get("max_step"),
            progression=tuple(lower),
        )


def of_demand(value: Demand) -> dict[str, Any]:
    """What the fields of a demand begin with."""
    plain = ("approvals", "requires_reason", "requires_ticket", "requires_tests", "signed", "max_step")
    hours = None if value.approval_hours == APPROVAL_HOURS else value.approval_hours
    return {
        **{name: getattr(value, name) for name in plain},
        "each_group": list(value.each_group),
        "approval_hours": hours,
    }


class BaseForm(_DemandPart):
    """What always holds, and what is about requests and the policy itself."""

    chosen = {"each_group": "groups"}

    apply_on_last_approval = forms.BooleanField(label="Apply at once on the last approval", required=False)
    compensating_control = forms.CharField(
        label="Compensating control", required=False, widget=_AREA,
        help_text="Where a protected environment asks for no approval: what is done instead.",
    )  # fmt: skip
    request_days = _number(
        "A request expires after so many days", least=1, most=MAX_REQUEST_DAYS, required=True,
        help="Counted from its last submission.",
    )  # fmt: skip
    delay_hours = _number(
        "A weaker policy takes effect so many hours after its last approval", least=0, most=MAX_DELAY_HOURS,
        help="What only adds demands takes effect at once. Empty: no delay.",
    )  # fmt: skip


class WhoForm(Part):
    """Who may approve: one narrowing."""

    chosen = {"roles": "roles", "groups": "groups"}

    roles = _several("With one of these roles")
    groups = _several("In one of these groups")
    owner = forms.BooleanField(label="The flag's owner", required=False)

    def approvers(self) -> Approvers:
        """The narrowing as typed; empty when nothing was chosen."""
        return Approvers(
            roles=self.several("roles"), groups=self.several("groups"), owner=self.cleaned_data.get("owner", False)
        )


class LowerForm(Part):
    """Where it must have run before."""

    chosen = {"environment": "lower"}

    environment = forms.ChoiceField(label="Environment", required=False)
    hours = _number("For so many hours", least=0, most=8_760, help="Empty: it has run there at all.")

    def lower(self) -> tuple[Progression, ...]:
        """As typed; () when no environment was chosen."""
        key = self.cleaned_data.get("environment")
        return (Progression(environment=key, hours=self.cleaned_data.get("hours") or 0),) if key else ()


class _Weekly(Part):
    """A time of the week."""

    days = forms.MultipleChoiceField(
        label="Days", required=False, widget=_CHECKS, choices=[(str(n), name) for n, name in enumerate(DAYS)]
    )
    begins = forms.CharField(label="From", required=False, help_text="Such as 18:00; empty: midnight.")
    ends = forms.CharField(
        label="To", required=False, help_text="Such as 08:00, which is the next day's; empty: midnight."
    )
    zone = forms.CharField(label="Time zone", required=False, help_text="Such as Europe/Stockholm; empty: UTC.")

    def clean_begins(self) -> int:
        """Minutes after midnight."""
        return _minute(self.cleaned_data["begins"], 0)

    def clean_ends(self) -> int:
        """Minutes after midnight."""
        return _minute(self.cleaned_data["ends"], 1440)

    def weekly(self) -> Hours | None:
        """As typed; None when no day was chosen."""
        if not self.cleaned_data.get("days"):
            return None
        return Hours(
            days=tuple(int(day) for day in self.several("days")),
            start=self.cleaned_data["begins"],
            end=self.cleaned_data["ends"],
            zone=self.cleaned_data["zone"].strip() or "UTC",
        )


def _of_hours(value: Hours | None) -> dict[str, Any]:
    if value is None:
        return {}
    return {
        "days": [str(day) for day in value.days],
        "begins": clock_time(value.start),
        "ends": clock_time(value.end),
        "zone": value.zone,
    }


def _minute(text: str, empty: int) -> int:
    if not text.strip():
        return empty
    found = re.fullmatch(r"([01]?\d|2[0-4]):([0-5]\d)", text.strip())
    if found is None:
        raise forms.ValidationError("This is not a time of day: write it like 18:30.")
    return int(found[1]) * 60 + int(found[2])


class RuleForm(_Weekly, _DemandPart):
    """A rule: for which changes, and what they must have besides. ``more`` keeps what has no field."""

    chosen = {
        "each_group": "groups", "roles": "roles", "groups": "groups", "environment": "lower",
        "operations": "operations", "flag_types": "flag_types",
    }  # fmt: skip

    name = forms.CharField(label="What it is for", max_length=100, required=False)
    tiers = forms.MultipleChoiceField(
        label="Risk tier of the flag", required=False, widget=_CHECKS, choices=[(tier, tier) for tier in TIERS]
    )
    flag_types = _several("Type of the flag")
    tags = forms.CharField(label="Tags of the flag", required=False, help_text="One of these; separated by commas.")
    rollout_above = _number("More than so many per cent of users would get it", least=0, most=100)
    step_above = _number("A rollout grows by more than so many percentage points", least=0, most=100)
    operations = _several("It does one of these")
    roles = _several("With one of these roles")
    groups = _several("In one of these groups")
    owner = forms.BooleanField(label="The flag's owner", required=False)
    environment = forms.ChoiceField(label="It must have run in", required=False)
    hours = _number("For so many hours", least=0, most=8_760)
    more = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_more(self) -> str:
        """What has no field, if it is still what was given out."""
        try:
            _kept(self.cleaned_data["more"])
        except (ValueError, Invalid):
            raise forms.ValidationError("What this rule asks for besides was altered: open the page anew.") from None
        return str(self.cleaned_data["more"])

    def rule(self) -> Rule:
        """As typed."""
        given = self.cleaned_data
        kept = _kept(given.get("more", ""))
        first = Approvers(roles=self.several("roles"), groups=self.several("groups"), owner=given.get("owner", False))
        lower = [Progression(environment=given["environment"], hours=given.get("hours") or 0)] if given.get(
            "environment"
        ) else []  # fmt: skip
        return Rule(
            name=given["name"],
            when=When(
                operations=self.several("operations"),
                rollout_above=given.get("rollout_above"),
                step_above=given.get("step_above"),
                flag_types=self.several("flag_types"),
                tags=tuple(tag for text in given["tags"].split(",") if (tag := text.strip())),
                tiers=self.several("tiers"),
                hours=self.weekly(),
            ),
            demand=self.demand(narrowings=[first, *kept.approvers], lower=[*lower, *kept.progression]),
        )

    @property
    def further(self) -> str:
        """What ``more`` keeps, in words."""
        if self.errors.get("more"):
            return ""
        kept = _kept(self["more"].value() or "")
        said = [f"and approved by {approvers(one)}" for one in kept.approvers]
        return "; ".join([*said, *(f"and run in {one.environment}" for one in kept.progression)])


def _kept(text: str) -> Demand:
    return read_demand(json.loads(text), "more") if text else Demand()


def of_rule(value: Rule) -> dict[str, Any]:
    """What the fields of a rule begin with."""
    when, demand = value.when, value.demand
    first = demand.approvers[0] if demand.approvers else Approvers()
    lower = demand.progression[0] if demand.progression else None
    kept = Demand(approvers=demand.approvers[1:], progression=demand.progression[1:])
    return {
        **of_demand(demand),
        **_of_hours(when.hours),
        "name": value.name,
        "tiers": list(when.tiers),
        "flag_types": list(when.flag_types),
        "tags": ", ".join(when.tags),
        "rollout_above": when.rollout_above,
        "step_above": when.step_above,
        "operations": list(when.operations),
        "roles": list(first.roles),
        "groups": list(first.groups),
        "owner": first.owner,
        "environment": "" if lower is None else lower.environment,
        "hours": None if lower is None else lower.hours,
        "more": "" if kept == Demand() else json.dumps(kept.to_state()),
    }


class FreezeForm(_Weekly):
    """A freeze window: once, or every week."""

    name = forms.CharField(label="What it is for", max_length=100, required=False)
    start = forms.CharField(label="Begins (UTC)", required=False, help_text="Such as 2026-12-20 00:00.")
    end = forms.CharField(label="Ends (UTC)", required=False, help_text="Such as 2027-01-02 00:00.")

    def freeze(self) -> Freeze:
        """As typed."""
        given = self.cleaned_data
        return Freeze(name=given["name"], start=_zoned(given["start"]), end=_zoned(given["end"]), weekly=self.weekly())


def _zoned(text: str) -> str:
    """A time without a zone is UTC."""
    text = text.strip().removesuffix("UTC").strip()
    return f"{text}Z" if re.search(r"\d:\d\d(:\d\d(\.\d+)?)?$", text) and "+" not in text else text


def of_freeze(value: Freeze) -> dict[str, Any]:
    """What the fields of a freeze window begin with."""
    return {
        **_of_hours(value.weekly),
        "name": value.name,
        "start": value.start[:16].replace("T", " "),
        "end": value.end[:16].replace("T", " "),
    }


class ReasonForm(TextForm):
    """Why the policy should change."""

    why = forms.CharField(label="Why the policy should change", required=False, widget=_AREA)
    tickets = forms.CharField(
        label="Tickets", required=False, max_length=4_000, help_text="Such as OPS-7; several with spaces."
    )
