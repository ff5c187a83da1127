"""The form of a whole policy, of plain fields: lists are formsets with one empty place more, without any script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory
from django.http import QueryDict

from ensign.control.changes.policy_parts import (
    BaseForm,
    FreezeForm,
    Known,
    LowerForm,
    Part,
    ReasonForm,
    RuleForm,
    WhoForm,
    of_demand,
    of_freeze,
    of_rule,
)
from ensign.control.kernel.errors import EnsignError
from ensign.control.projects.checking import MAX_FREEZES, MAX_RULES
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules

__all__ = ["Known", "PolicyForm"]

_LISTS: Mapping[str, tuple[type[Part], int]] = {
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
            for one in self.lists[name].forms:
                one.fields["DELETE"].label = "Remove this"

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
            **of_demand(always),
            "apply_on_last_approval": rules.apply_on_last_approval,
            "compensating_control": rules.compensating_control,
            "request_days": rules.request_days,
            "delay_hours": rules.delay_hours,
        },
        "who": [{"roles": list(one.roles), "groups": list(one.groups), "owner": one.owner} for one in always.approvers],
        "lower": [{"environment": one.environment, "hours": one.hours} for one in always.progression],
        "rule": [of_rule(rule) for rule in rules.rules],
        "freeze": [of_freeze(freeze) for freeze in rules.freezes],
    }


def _grown(posted: QueryDict, more: str) -> QueryDict:
    """What was posted, with one place more in the list ``more``."""
    if more not in _LISTS:
        return posted
    grown = posted.copy()
    total = posted.get(f"{more}-TOTAL_FORMS", "")
    grown[f"{more}-TOTAL_FORMS"] = str(int(total) + 1) if total.isdigit() else "1"
    return grown
