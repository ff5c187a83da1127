"""Progression as pages show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.changes.panels import Panel
from ensign.control.changes.queries import RequestRow
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import former
from ensign.control.progression import queries
from ensign.control.progression.domain.judging import WHY
from ensign.control.progression.domain.runs import Run
from ensign.control.progression.reading import runs_by_id
from ensign.control.ui import looks


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A test run in a list, with the name of who reported it."""

    run: Run
    by: looks.Person


def lines(runs: Iterable[Run]) -> list[RunLine]:
    """Test runs with names; one query."""
    found = list(runs)
    names = identity.names({run.by for run in found})
    return [
        RunLine(
            run=run,
            by=looks.Person(
                name=names.get(run.by) or former(run.by), kind="service" if run.by.startswith("svc_") else "person"
            ),
        )
        for run in found
    ]


def panel(row: RequestRow, at: datetime) -> Panel | None:
    """The history of what a request brings: as things stand while it is open, as the log says once it applied."""
    if row.request.open:
        found = queries.of_request(row.request, at=at)
        told = [
            {"one": one, "runs": lines(one.runs)}
            for one in found
            if one.verdict == "judged" or one.runs or any(r.since for r in one.ran)
        ]
        return Panel(template="progression/_history.html", value={"told": told}) if told else None
    facts = queries.as_applied(row)
    if not facts:
        return None
    return Panel(template="progression/_applied.html", value={"facts": [_fact(fact) for fact in facts]})


def _fact(fact: Mapping[str, Any]) -> dict[str, object]:
    segment = fact.get("segment")
    return {
        "what": f"the segment {segment}" if segment else fact["flag"],
        "target": fact["target"],
        "digest": fact["digest"],
        "why": WHY.get(fact["verdict"], ""),
        "ran": [
            {
                "environment": one["environment"],
                "since": datetime.fromisoformat(one["since"]),
                "until": None if one["until"] is None else datetime.fromisoformat(one["until"]),
                "hours": one["hours"],
            }
            for one in fact.get("ran", ())
        ],
        "runs": lines(runs_by_id(fact.get("runs", ()))),
    }
