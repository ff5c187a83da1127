"""The strategy editor's form fields, and back. ``changes`` reads the same fields when a draft is posted.

Besides the conditions (``segments.forms``):

* ``strategy``: the strategy's id, empty for a new one
* ``name``: the strategy's type; ``title``; ``disabled``: present when ticked
* ``param-<name>``: each parameter of the type, e.g. ``param-rollout``
* ``segment``: a segment's key, once for each
* ``variant-<n>-name``, ``variant-<n>-percent`` (of the whole, e.g. ``33.3``; empty: shares what is left),
  ``variant-<n>-payload_type`` (empty: none), ``variant-<n>-payload_value``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django import forms

from ensign.control.access.domain import TIERS
from ensign.control.flags import strategies as types
from ensign.control.flags.domain import DEFAULT_TIER, LIFETIMES, Dependency, Payload, Strategy, Variant
from ensign.control.flags.listing import lifetime
from ensign.control.kernel import ids
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.forms import TextForm
from ensign.control.segments.forms import constraints, numbers, split


def strategy(posted: Mapping[str, str], *, segments: Sequence[str], at: datetime) -> Strategy:
    """The strategy of a posted form, as typed; a new one gets an id. ``segments`` is ``getlist("segment")``.

    :raises Invalid: when a variant's share is no number; everything else is judged by ``validation``.
    """
    name = posted.get("name", "")
    kind = types.TYPES.get(name)
    parameters = {p.name: posted.get(f"param-{p.name}", "") for p in kind.parameters} if kind else {}
    return Strategy(
        id=posted.get("strategy", "").strip() or ids.new_id("str", at=at),
        name=name,
        title=posted.get("title", ""),
        parameters=parameters,
        constraints=constraints(posted),
        segments=tuple(key for key in segments if key),
        variants=variants(posted),
        disabled="disabled" in posted,
    )


def variants(posted: Mapping[str, str]) -> tuple[Variant, ...]:
    """The variants of a posted form, as typed; rows without a name are left out.

    :raises Invalid: when a share is no number with at most one decimal.
    """
    found: list[Variant] = []
    for n in numbers(posted, "variant"):
        name = posted.get(f"variant-{n}-name", "").strip()
        if not name:
            continue
        percent = posted.get(f"variant-{n}-percent", "").strip()
        kind = posted.get(f"variant-{n}-payload_type", "")
        value = posted.get(f"variant-{n}-payload_value", "")
        found.append(
            Variant(
                name=name,
                weight=_thousandths(percent, field=f"variants[{len(found)}].weight") if percent else 0,
                weight_type="fix" if percent else "variable",
                payload=Payload(type=kind, value=value) if kind else None,
            )
        )
    return tuple(found)


def dependency(posted: Mapping[str, str]) -> Dependency:
    """``parent`` (key), ``wants`` (``on|off``) and ``parent_variants`` (one a line) as a dependency."""
    return Dependency(
        flag=posted.get("parent", "").strip(),
        enabled=posted.get("wants", "on") != "off",
        variants=split(posted.get("parent_variants", "")),
    )


def _thousandths(text: str, *, field: str) -> int:
    try:
        scaled = Decimal(text.replace(",", ".")) * 10
        if scaled != scaled.to_integral_value() or not 0 <= scaled <= 1000:
            raise InvalidOperation
    except InvalidOperation:
        message = "Write a share from 0 to 100 % with at most one decimal, or leave it empty."
        raise Invalid("A variant's share cannot be used.", fields={field: message}) from None
    return int(scaled)


class FlagForm(TextForm):
    """A new flag."""

    key = forms.CharField(
        label="Key",
        max_length=200,
        help_text="What the code asks for. It can't be changed, and no other project may have it.",
    )
    type = forms.ChoiceField(
        label="Type",
        choices=[(key, f"{key.replace('-', ' ').capitalize()} ({lifetime(key)})") for key in LIFETIMES],
        help_text="How long it should live: when that is over, Ensign lists it as stale.",
    )
    tier = forms.ChoiceField(
        label="Risk tier",
        choices=[(tier, tier.capitalize()) for tier in TIERS],
        initial=DEFAULT_TIER,
        required=False,
        help_text="What goes wrong when this flag goes wrong. Policies may ask for more of riskier flags.",
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    tags = forms.CharField(label="Tags", required=False, help_text="Separated by commas.")

    def clean_tier(self) -> str:
        """Who says nothing gets the usual tier."""
        return self.cleaned_data["tier"] or DEFAULT_TIER


class InfoForm(TextForm):
    """What people read of a flag."""

    type = forms.ChoiceField(
        label="Type", choices=[(key, f"{key.replace('-', ' ').capitalize()} ({lifetime(key)})") for key in LIFETIMES]
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    tier = forms.ChoiceField(
        label="Risk tier",
        choices=[(tier, tier.capitalize()) for tier in TIERS],
        initial=DEFAULT_TIER,
        required=False,
        help_text="What goes wrong when this flag goes wrong. Policies may ask for more of riskier flags.",
    )
    owner = forms.ChoiceField(label="Owner", required=False)
    tags = forms.CharField(label="Tags", required=False, help_text="Separated by commas.")
    expected_removal_on = forms.CharField(
        label="Expected removal",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Leave it empty for a flag that stays.",
    )

    def clean_tier(self) -> str | None:
        """Who says nothing leaves the tier as it is."""
        return self.cleaned_data["tier"] or None

    def __init__(self, *args: object, owners: Sequence[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        self.fields["owner"].choices = [("", "Nobody"), *owners]  # type: ignore[attr-defined]  # a ChoiceField
