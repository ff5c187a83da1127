"""Whether switching off is safe: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ensign.control.flags.domain import FlagConfig


def switched_on_by_off(
    flag: str, configs: Mapping[str, FlagConfig], *, archived: Collection[str] = ()
) -> tuple[str, ...]:
    """Flags that would come on when ``flag`` goes off: they are enabled and depend on its being off. Sorted.

    Errs on the side of naming one too many: what else such a flag asks for is not evaluated.
    """
    return tuple(
        sorted(
            key
            for key, config in configs.items()
            if key not in archived
            and config.enabled
            and any(d.flag == flag and not d.enabled for d in config.dependencies)
        )
    )
