"""What stands on a flag's page: the safeguards that watch it, by environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ensign.control.access.decisions import Held
from ensign.control.changes.panels import Panel
from ensign.control.monitoring import pages
from ensign.control.monitoring import safeguard_queries as queries
from ensign.control.monitoring.domain.safeguards import ACTS
from ensign.control.monitoring.safeguard_queries import SafeguardView


def flag_panels(
    project: str,
    flag: str,
    rights: Held,  # noqa: ARG001  # the signature is that of `flags.beside.Panels`
    at: datetime,  # noqa: ARG001  # as above
) -> Mapping[str, Sequence[Panel]]:
    """One panel for each environment in which something guards the flag; whoever sees the flag sees them."""
    found: dict[str, list[SafeguardView]] = {}
    for view in queries.of_flag(project, flag):
        found.setdefault(view.safeguard.environment, []).append(view)
    return {place: [_panel(views)] for place, views in found.items()}


def _panel(views: Sequence[SafeguardView]) -> Panel:
    lines = [
        {
            "one": view.safeguard,
            "watch": view.watch,
            "act": ACTS[view.safeguard.act],
            "state": pages.safeguard_state(view.safeguard, view.watch),
        }
        for view in views
    ]
    return Panel(template="monitoring/_flag.html", value={"lines": lines})
