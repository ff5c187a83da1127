"""Ensign's evaluation engine: Unleash semantics, compiled to one Python function a flag.

>>> from ensign_engine import Ruleset
>>> flag = {"name": "new-menu", "enabled": True, "strategies": []}
>>> rules = Ruleset.parse({"version": 2, "features": [flag]})
>>> rules.is_enabled("new-menu", {"userId": "7"})
True
"""

from ensign_engine.compiled import CompiledFlag
from ensign_engine.counters import Counters, Report
from ensign_engine.errors import RulesetError
from ensign_engine.model import (
    ConstraintDefinition,
    DependencyDefinition,
    FlagDefinition,
    SegmentDefinition,
    StrategyDefinition,
    VariantDefinition,
)
from ensign_engine.results import DISABLED, NO_VARIANT, Evaluation, Variant
from ensign_engine.ruleset import Ruleset
from ensign_engine.traces import Explanation

__all__ = [
    "DISABLED",
    "NO_VARIANT",
    "CompiledFlag",
    "ConstraintDefinition",
    "Counters",
    "DependencyDefinition",
    "Evaluation",
    "Explanation",
    "FlagDefinition",
    "Report",
    "Ruleset",
    "RulesetError",
    "SegmentDefinition",
    "StrategyDefinition",
    "Variant",
    "VariantDefinition",
]
