"""Posted forms as operations. The fields of the strategy editor are those of ``flags.forms`` and ``segments.forms``.

``operation`` is the operation's type; ``flag``, ``strategy``, ``segment`` name what it is about. Further:
``strategy.move`` with ``by`` (``up|down``) for a reorder by one place, ``flag.toggle`` for on or off, whichever it is
not. ``operations`` (a JSON list) may stand instead of all of these.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from ensign.control.api.parser import strict_json
from ensign.control.changes.domain.base import Operation, from_json
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.content_operations import (
    DependencyRemove,
    DependencySet,
    StrategyAdd,
    StrategyRemove,
    StrategyReorder,
    StrategyUpdate,
    VariantsSet,
)
from ensign.control.changes.domain.flag_operations import (
    FlagArchive,
    FlagDisable,
    FlagEnable,
    FlagRevive,
    FlagSetImpressions,
)
from ensign.control.changes.domain.reading import refuse
from ensign.control.changes.domain.settings_operations import (
    EnvironmentProtect,
    EnvironmentUnprotect,
    SegmentMap,
    SegmentSet,
)
from ensign.control.flags import forms as flag_forms
from ensign.control.flags.domain import FlagConfig
from ensign.control.projects.forms import TextForm
from ensign.control.segments import forms as segment_forms

_AREA = forms.Textarea(attrs={"rows": 3})


def operations(posted: QueryDict, *, config: FlagConfig, at: datetime) -> tuple[Operation, ...]:
    """The operations that a form asks for; ``config`` is the flag as its reader would see it with their draft.

    :raises Invalid: naming the field that is wrong.
    """
    if "operations" in posted:
        return _listed(posted.get("operations", ""))
    kind, flag = posted.get("operation", ""), posted.get("flag", "")
    match kind:
        case "flag.enable":
            return (FlagEnable(flag=flag),)
        case "flag.disable":
            return (FlagDisable(flag=flag),)
        case "flag.toggle":
            return (FlagDisable(flag=flag) if config.enabled else FlagEnable(flag=flag),)
        case "flag.archive":
            return (FlagArchive(flag=flag),)
        case "flag.revive":
            return (FlagRevive(flag=flag),)
        case "flag.set_impressions":
            return (FlagSetImpressions(flag=flag, enabled=posted.get("enabled") in {"1", "true", "on", "yes"}),)
        case "flag.classify":
            return (_classified(flag, posted),)
        case "segment.set":
            content = segment_forms.segment(posted)
            return (SegmentSet(segment=posted.get("segment", ""), constraints=content.constraints),)
        case "segment.map":
            return (SegmentMap(segment=posted.get("segment", ""), mapped=posted.get("mapped") == "yes"),)
        case "environment.protect":
            return (EnvironmentProtect(),)
        case "environment.unprotect":
            return (EnvironmentUnprotect(),)
    return _on_content(kind, flag, posted, config=config, at=at)


def _classified(flag: str, posted: QueryDict) -> FlagClassify:
    return FlagClassify(
        flag=flag,
        flag_type=posted.get("type", ""),
        tags=tuple(tag for text in posted.get("tags", "").split(",") if (tag := text.strip())),
        tier=posted.get("tier", ""),
        owner=posted.get("owner", ""),
    )


def _on_content(kind: str, flag: str, posted: QueryDict, *, config: FlagConfig, at: datetime) -> tuple[Operation, ...]:
    strategy_id = posted.get("strategy", "")
    match kind:
        case "strategy.add" | "strategy.update":
            strategy = flag_forms.strategy(posted, segments=posted.getlist("segment"), at=at)
            if kind == "strategy.update":
                return (StrategyUpdate(flag=flag, strategy=strategy),)
            return (StrategyAdd(flag=flag, strategy=strategy),)
        case "strategy.remove":
            return (StrategyRemove(flag=flag, strategy=strategy_id),)
        case "strategy.reorder":
            return (StrategyReorder(flag=flag, order=tuple(posted.getlist("order"))),)
        case "strategy.move":
            return (_moved(flag, strategy_id, up=posted.get("by") == "up", config=config),)
        case "variants.set":
            return (VariantsSet(flag=flag, variants=flag_forms.variants(posted)),)
        case "dependency.set":
            return (DependencySet(flag=flag, dependency=flag_forms.dependency(posted)),)
        case "dependency.remove":
            return (DependencyRemove(flag=flag, parent=posted.get("parent", "")),)
    raise refuse("operation", f"{kind!r} is not an operation of a form")


def _moved(flag: str, strategy_id: str, *, up: bool, config: FlagConfig) -> StrategyReorder:
    order = [strategy.id for strategy in config.strategies]
    if strategy_id not in order:
        raise refuse("strategy", "was removed meanwhile")
    place = order.index(strategy_id)
    other = place - 1 if up else place + 1
    if 0 <= other < len(order):
        order[place], order[other] = order[other], order[place]
    return StrategyReorder(flag=flag, order=tuple(order))


def _listed(text: str) -> tuple[Operation, ...]:
    try:
        values = strict_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise refuse("operations", f"is not JSON: {error}") from None
    if not isinstance(values, list):
        raise refuse("operations", "must be a list")
    return tuple(from_json(value, f"operations[{index}]") for index, value in enumerate(values))


class SubmitForm(TextForm):
    """What a draft is for."""

    title = forms.CharField(label="Title", max_length=200, help_text="What it is for, in a few words.")
    reason = forms.CharField(
        label="Reason",
        widget=_AREA,
        help_text="Why, for the reviewer and for the log.",
        error_messages={"required": "The policy of this environment asks for a reason."},
    )
    tickets = forms.CharField(
        label="Tickets", required=False, max_length=4_000,
        help_text="What it belongs to: PAY-142, CHG0030042, acme/shop#12 or an address; several with spaces.",
        error_messages={"required": "The policy of this environment asks for a ticket."},
    )  # fmt: skip

    def __init__(self, *args: Any, needs_reason: bool, needs_ticket: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = needs_reason
        self.fields["tickets"].required = needs_ticket
