"""What an evaluation gives back: small immutable objects, built once per flag and shared."""

from typing import Any, NamedTuple

from ensign_engine.model import FrozenDict


class Variant(NamedTuple):
    """A variant as the wire shapes it: `payload` is `{type, value}` (it refuses changes) or None.

    `enabled` is whether a variant was chosen, `feature_enabled` whether the flag is on.
    """

    name: str
    enabled: bool
    payload: FrozenDict | None = None
    feature_enabled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The wire shape; `payload` is left out when there is none."""
        shape: dict[str, Any] = {"name": self.name, "enabled": self.enabled}
        if self.payload is not None:
            shape["payload"] = dict(self.payload)
        shape["feature_enabled"] = self.feature_enabled
        return shape


DISABLED = Variant("disabled", False, None, False)
"""The answer for a flag that is off or unknown."""

NO_VARIANT = Variant("disabled", False, None, True)
"""The answer for a flag that is on but has no variant to give."""


class Evaluation(NamedTuple):
    """The whole answer for one flag and context.

    `strategy` is the position of the strategy that decided, or None. `impression_data` is whether the flag
    asks for impression events. Truth value: use `.enabled`.
    """

    name: str
    found: bool
    enabled: bool
    variant: Variant
    strategy: int | None = None
    impression_data: bool = False

    def __bool__(self) -> bool:
        raise TypeError("an Evaluation has no truth value; read .enabled or .found")
