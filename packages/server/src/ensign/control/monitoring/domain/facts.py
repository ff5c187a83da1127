"""What the detectors know of an entry of the log. Pure; no personal data: ids, keys and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ensign.control.kernel import clock
from ensign.control.monitoring.domain.kinds import Severity

APPLIED = "change_request.applied"
APPROVED = "change_request.approved"

#: Touched objects that carry what an application sees; the others come along with them.
_CONTENT = frozenset({"flag", "flag_config", "segment", "segment_config"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry. Of a change that applied also who was part in it, in which mode, and how many flags it touched."""

    seq: int
    at: datetime
    action: str
    actor: str
    kind: str
    """``person``, ``service``, ``system`` or ``anonymous``."""
    via: str
    project: str | None = None
    environment: str | None = None
    author: str | None = None
    contributors: frozenset[str] = frozenset()
    approvers: tuple[str, ...] = ()
    mode: str | None = None
    protected: bool = False
    content: frozenset[str] = frozenset()
    """Names of the flags' and segments' rows that it touched (``flag_config:cfg_…``)."""
    touched: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def applied(self) -> bool:
        """Whether a change applied in a protected environment."""
        return self.action == APPLIED and self.protected

    @property
    def ours(self) -> frozenset[str]:
        """Who caused it: whoever did it, wrote it or edited it."""
        found = {self.actor, *self.contributors}
        if self.author is not None:
            found.add(self.author)
        return frozenset(id for id in found if id.startswith(("usr_", "svc_")))

    def object_of(self, kind: str) -> str | None:
        """The id of the first object of a kind that it touched."""
        return next((name.partition(":")[2] for name in self.touched if name.startswith(f"{kind}:")), None)


def fact_of(body: Mapping[str, Any]) -> Fact:
    """An entry's body as a fact."""
    approval, where = body.get("approval") or {}, body.get("where") or {}
    touched = tuple(touch["object"] for touch in body.get("touch", ()))
    return Fact(
        seq=body["seq"],
        at=clock.parse(body["ts"]),
        action=body["action"],
        actor=body["actor"]["id"],
        kind=body["actor"]["kind"],
        via=body["actor"]["via"],
        project=where.get("project"),
        environment=where.get("environment"),
        author=approval.get("author"),
        contributors=frozenset(approval.get("contributors", ())),
        approvers=tuple(one["id"] for one in approval.get("approvers", ())),
        mode=approval.get("mode"),
        protected=bool(approval.get("protected", False)),
        content=frozenset(name for name in touched if name.partition(":")[0] in _CONTENT),
        touched=touched,
        detail=body.get("detail") or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that somebody has to look at.

    ``subject`` is the id that it is about, by which alerts are grouped; ``caused_by`` are those who do not triage it;
    ``evidence`` are numbers of entries; ``facts`` small values for its sentence.
    """

    kind: str
    severity: Severity
    subject: str
    caused_by: frozenset[str]
    evidence: tuple[int, ...]
    project: str | None = None
    environment: str | None = None
    facts: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def group(self) -> tuple[str, str, str | None, str | None]:
        """What is the same for occurrences of one matter."""
        return (self.kind, self.subject, self.project, self.environment)
