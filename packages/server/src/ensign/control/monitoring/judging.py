"""Safeguards as guards of ramps: a plan names them by key, and takes no step while one has fired or sees no data."""

from __future__ import annotations

from collections.abc import Mapping

from ensign.control.monitoring import checking
from ensign.control.monitoring.domain.safeguards import GAP, POLLED, Safeguard
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.releases.domain import Judgement
from ensign.control.releases.guards import Question


def judge(question: Question) -> Mapping[str, Judgement]:
    """What the safeguards of this environment say, of the names that are theirs and of this flag."""
    rows = Row.objects.filter(
        project=question.project, environment=question.environment, flag=question.flag, key__in=question.names
    )
    found = [Safeguard.from_state(row.pk, row.state) for row in rows.exclude(status="ended")]
    return {one.key: _said(one, question) for one in found}


def _said(one: Safeguard, question: Question) -> Judgement:
    if one.status == "fired":
        return Judgement(state="bad", reason=f"it acted at {one.fired_value or 'a message'}")
    watch = checking.watch_of(one.id)
    if watch.breaches:
        return Judgement(state="unknown", reason=f"it saw {watch.value}, which is too much, and looks again")
    if one.source.kind in POLLED:
        if watch.problem or watch.checked_at is None:
            return Judgement(state="unknown", reason=watch.problem or "it was not checked yet")
        if question.at - watch.checked_at > GAP:
            return Judgement(state="unknown", reason="it was not checked lately")
    return Judgement(state="good")
