"""The form of a whole policy, of plain fields: lists are formsets with one empty place more, without any script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory
from django.http import QueryDict

from ensign.control.access.domain import TIERS
from ensign.control.changes.domain.policy_reading import read_demand
from ensign.control.kernel.errors import EnsignError, Invalid
from ensign.control.projects.checking import MAX_DELAY_HOURS, MAX_FREEZES, MAX_REQUEST_DAYS, MAX_RULES
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
from ensign.control.projects.domain import MAX_APPROVALS, PolicyRules
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


class _Part(TextForm):
    """A part of the policy; its choices are put in when it is made."""

    #: Field -> member of :class:`Known`.
    chosen: Mapping[str, str] = {}

    def __init__(self, *args: Any, known: Known, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, member in self.chosen.items():
            field = cast(forms.ChoiceField, self.fields[name])
            first: Choices = [("", "None")] if not isinstance(field, forms.MultipleChoiceField) else []
            field.choices = [*first, *getattr(known, member)]

    def several(self, name: str) -> tuple[str, ...]:
        """What was chosen in a list."""
        return tuple(self.cleaned_data.get(name) or ())


class _DemandPart(_Part):
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


def _of_demand(value: Demand) -> dict[str, Any]:
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


class WhoForm(_Part):
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


class LowerForm(_Part):
    """Where it must have run before."""

    chosen = {"environment": "lower"}

    environment = forms.ChoiceField(label="Environment", required=False)
    hours = _number("For so many hours", least=0, most=8_760, help="Empty: it has run there at all.")

    def lower(self) -> tuple[Progression, ...]:
        """As typed; () when no environment was chosen."""
        key = self.cleaned_data.get("environment")
        return (Progression(environment=key, hours=self.cleaned_data.get("hours") or 0),) if key else ()


class _Weekly(_Part):
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


def _of_rule(value: Rule) -> dict[str, Any]:
    when, demand = value.when, value.demand
    first = demand.approvers[0] if demand.approvers else Approvers()
    lower = demand.progression[0] if demand.progression else None
    kept = Demand(approvers=demand.approvers[1:], progression=demand.progression[1:])
    return {
        **_of_demand(demand),
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


def _of_freeze(value: Freeze) -> dict[str, Any]:
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
        label="Tickets", required=False, max_length=2_000, help_text="Such as OPS-7, separated by spaces."
    )


_LISTS: Mapping[str, tuple[type[_Part], int]] = {
    "who": (WhoForm, 10),
    "lower": (LowerForm, 10),
    "rule": (RuleForm, MAX_RULES),
    "freeze": (FreezeForm, MAX_FREEZES),
}


class PolicyForm:
    """All forms of one policy. ``errors`` are what belongs to no field."""

    def __init__(
        self, *, known: Known, rules: PolicyRules | None = None, posted: QueryDict | None = None, more: str = ""
    ) -> None:
        self.known, self.errors = known, list[str]()
        initial = {} if rules is None else _initial(rules)
        data = _grown(posted, more) if posted is not None else None
        self.base = BaseForm(data, prefix="base", initial=initial.get("base"), known=known)
        self.reason = ReasonForm(data, prefix="reason")
        self.lists: dict[str, BaseFormSet[Any]] = {}
        for name, (form, most) in _LISTS.items():
            made = formset_factory(form, extra=1, can_delete=True, max_num=most, absolute_max=most + 5)
            # Django takes a list that was never touched for valid when its form is.
            self.lists[name] = made(
                data,
                prefix=name,
                initial=initial.get(name),
                form_kwargs={"known": known},
            )

    def is_valid(self) -> bool:
        """Whether every field can be read."""
        valid = [self.base.is_valid(), self.reason.is_valid(), *(part.is_valid() for part in self.lists.values())]
        return all(valid)  # each was asked, so that every field says what is wrong

    def rules(self) -> PolicyRules:
        """The policy as typed."""
        narrowings = [form.approvers() for form in self._each("who")]
        lower = [one for form in self._each("lower") for one in form.lower()]
        given = self.base.cleaned_data
        demand = self.base.demand(narrowings=narrowings, lower=lower)
        return PolicyRules(
            approvals=demand.approvals,
            apply_on_last_approval=given["apply_on_last_approval"],
            requires_reason=demand.requires_reason,
            compensating_control=given["compensating_control"],
            further=_without_plain(demand),
            rules=tuple(form.rule() for form in self._each("rule")),
            freezes=tuple(form.freeze() for form in self._each("freeze")),
            request_days=given["request_days"],
            delay_hours=given.get("delay_hours") or 0,
        )

    def _each(self, name: str) -> list[Any]:
        """The forms of a list that hold something and are not to be removed."""
        return [form for form in self.lists[name].forms if form.has_changed() and not form.cleaned_data.get("DELETE")]

    def attach(self, error: EnsignError) -> None:
        """Show a refusal where it belongs: at the rule, the freeze, the field, or at the top."""
        self.errors.append(f"{error.message} {error.remedy}".strip())
        for path, text in error.fields.items():
            found = re.match(r"(rules|freezes)\[(\d+)\]\.?(.*)", path)
            if found is not None:
                places = self._each("rule" if found[1] == "rules" else "freeze")
                if int(found[2]) < len(places):
                    _add(places[int(found[2])], found[3].rpartition(".")[2], text)
                    continue
            name = path.removeprefix("further.")
            if name in self.base.fields:
                self.base.add_error(name, text)
            else:
                self.errors.append(text)


def _add(form: forms.Form, name: str, text: str) -> None:
    form.add_error({"weekly": "days"}.get(name, name) if name in form.fields else None, text)


def _without_plain(demand: Demand) -> Demand:
    state = demand.to_state()
    return Demand.from_state({**state, "approvals": 0, "requires_reason": False})


def _initial(rules: PolicyRules) -> dict[str, Any]:
    always = rules.always
    return {
        "base": {
            **_of_demand(always),
            "apply_on_last_approval": rules.apply_on_last_approval,
            "compensating_control": rules.compensating_control,
            "request_days": rules.request_days,
            "delay_hours": rules.delay_hours,
        },
        "who": [{"roles": list(one.roles), "groups": list(one.groups), "owner": one.owner} for one in always.approvers],
        "lower": [{"environment": one.environment, "hours": one.hours} for one in always.progression],
        "rule": [_of_rule(rule) for rule in rules.rules],
        "freeze": [_of_freeze(freeze) for freeze in rules.freezes],
    }


def _grown(posted: QueryDict, more: str) -> QueryDict:
    """What was posted, with one place more in the list ``more``."""
    if more not in _LISTS:
        return posted
    grown = posted.copy()
    total = posted.get(f"{more}-TOTAL_FORMS", "")
    grown[f"{more}-TOTAL_FORMS"] = str(int(total) + 1) if total.isdigit() else "1"
    return grown
