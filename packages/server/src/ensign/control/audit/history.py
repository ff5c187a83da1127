"""Reading the log: entries with filters, and what their digests stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from ensign_ledger import canonical

from ensign.control.audit.models import Document, Entry, Redaction, Touch
from ensign.control.audit.registry import actions
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that an entry touched. A state is None when there was none or when it is not kept or redacted;
    in the last case ``…_redacted_by`` is the number of the entry that authorised it.
    """

    object: str
    kind: str
    version: int
    before_digest: str | None
    after_digest: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    before_redacted_by: int | None = None
    after_redacted_by: int | None = None

    @property
    def comparable(self) -> bool:
        """Whether both sides are known, so that a difference of them says what changed."""
        return self.after is not None and (self.before is not None or self.before_digest is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry, opened. ``reason`` is None when none was given; a redacted one says by which entry."""

    seq: int
    at: datetime
    action: str
    title: str
    actor: Mapping[str, str]
    project: str
    environment: str
    changes: tuple[Change, ...]
    approval: Mapping[str, Any] | None
    reason: str | None
    detail: Mapping[str, Any]
    request_id: str
    body: str
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; None or empty means any. ``since`` is inclusive, ``until`` exclusive."""

    actor: str | None = None
    action: str | None = None
    project: str | None = None
    environment: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    changes_only: bool = False
    projects: frozenset[str] | None = None
    #: Only these actions.
    actions: tuple[str, ...] | None = None
    #: Only what this person did, or what names them as ``detail.person`` (by id).
    concerning: str | None = None
    #: Only entries with a lower number: a later append does not alter what is found.
    below: int | None = None


def entries(
    filters: Filters, *, before: int | None = None, after: int | None = None, limit: int = 50
) -> list[EntryView]:
    """Matching entries, newest first, with a number below ``before`` (or oldest first above ``after``)."""
    rows = _matching(filters)
    if after is not None:
        found = list(rows.filter(seq__gt=after).order_by("seq")[:limit])
    else:
        if before is not None:
            rows = rows.filter(seq__lt=before)
        found = list(rows.order_by("-seq")[:limit])
    return _open(found)


def entry(seq: int) -> EntryView:
    """One entry.

    :raises NotFound: when the log is not that long.
    """
    row = Entry.objects.filter(pk=seq).first()
    if row is None:
        raise NotFound(f"The log has no entry {seq}.", remedy="Look at the log's newest entries.")
    return _open([row])[0]


def opened(seqs: Iterable[int]) -> dict[int, EntryView]:
    """Entries by their numbers; a number that the log does not have is left out."""
    wanted = sorted(set(seqs))
    found: dict[int, EntryView] = {}
    for start in range(0, len(wanted), 500):
        rows = Entry.objects.filter(pk__in=wanted[start : start + 500]).order_by("seq")
        found.update({view.seq: view for view in _open(list(rows))})
    return found


def of_object(name: str, *, limit: int = 100) -> list[EntryView]:
    """The entries that touched one object (``flag:flg_…``), newest first."""
    return entries(Filters(object=name), limit=limit)


def did(actor: str, action: str, **detail: str) -> bool:
    """Whether ``actor`` (an id) ever did this with these facts in the entry's detail."""
    bodies = Entry.objects.filter(actor=actor, action=action).order_by("-seq").values_list("body", flat=True)
    return any(detail.items() <= json.loads(body).get("detail", {}).items() for body in bodies.iterator())


def projects() -> set[str]:
    """Keys of all projects that the log has ever named."""
    return set(Entry.objects.filter(project__isnull=False).values_list("project", flat=True).distinct())


def count(filters: Filters) -> int:
    """How many entries match."""
    return _matching(filters).count()


def actions_counted(filters: Filters) -> dict[str, int]:
    """Action -> how many matching entries it has, by action."""
    rows = _matching(filters).order_by("action").values_list("action").annotate(count=Count("seq"))
    return {str(code): number for code, number in rows}


def _matching(filters: Filters) -> QuerySet[Entry]:
    rows = Entry.objects.all()
    if filters.below is not None:
        rows = rows.filter(seq__lt=filters.below)
    for column in ("actor", "action", "project", "environment"):
        wanted = getattr(filters, column)
        if wanted:
            rows = rows.filter(**{f"{column}__startswith" if wanted.endswith(".") else column: wanted})
    if filters.actions is not None:
        rows = rows.filter(action__in=filters.actions)
    if filters.concerning is not None:
        named = json.dumps({"person": filters.concerning}, separators=(",", ":"))[1:-1]
        rows = rows.filter(Q(actor=filters.concerning) | Q(body__contains=named))
    if filters.projects is not None:
        rows = rows.filter(project__in=filters.projects)
    if filters.object:
        rows = rows.filter(seq__in=Touch.objects.filter(object=filters.object).values("seq"))
    if filters.since is not None:
        rows = rows.filter(ts__gte=clock.text(filters.since))
    if filters.until is not None:
        rows = rows.filter(ts__lt=clock.text(filters.until))
    if filters.changes_only:
        rows = rows.filter(mode__isnull=False)
    return rows


def documents(digests: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Digest -> document without its nonce; None for a redacted one; a digest that is not kept is left out."""
    wanted = sorted(set(digests))
    found: dict[str, dict[str, Any] | None] = {}
    for start in range(0, len(wanted), 500):
        rows = Document.objects.filter(pk__in=wanted[start : start + 500]).values_list("digest", "content")
        for name, content in rows:
            state = None if content is None else canonical.decode(content.encode(), free_keys=True)
            if state is not None:
                state.pop("nonce", None)
            found[name] = state
    return found


def _open(rows: Sequence[Entry]) -> list[EntryView]:
    bodies = [json.loads(row.body) for row in rows]
    digests = [name for body in bodies for touch in body["touch"] for name in (touch["before"], touch["after"]) if name]
    digests += [body["reason"]["commit"] for body in bodies if "reason" in body]
    opened = documents(digests)
    gone = [name for name, state in opened.items() if state is None]
    redacted = dict(Redaction.objects.filter(pk__in=gone).values_list("digest", "seq")) if gone else {}
    return [_view(row, body, opened, redacted) for row, body in zip(rows, bodies, strict=True)]


_Opened = Mapping[str, dict[str, Any] | None]


def _view(row: Entry, body: dict[str, Any], opened: _Opened, redacted: Mapping[str, int]) -> EntryView:
    known = actions().get(body["action"])
    where = body.get("where", {})
    return EntryView(
        seq=row.seq,
        at=clock.parse(body["ts"]),
        action=body["action"],
        title=known.title if known else body["action"],
        actor=body["actor"],
        project=where.get("project", ""),
        environment=where.get("environment", ""),
        changes=tuple(_change(touch, opened, redacted) for touch in body["touch"]),
        approval=body.get("approval"),
        reason=_reason(body, opened, redacted),
        detail=body.get("detail", {}),
        request_id=body.get("request_id", ""),
        body=row.body,
        leaf_hash=row.leaf_hash,
    )


def _change(touch: Mapping[str, Any], opened: _Opened, redacted: Mapping[str, int]) -> Change:
    return Change(
        object=touch["object"],
        kind=touch["object"].partition(":")[0],
        version=touch["version"],
        before_digest=touch["before"],
        after_digest=touch["after"],
        before=opened.get(touch["before"]) if touch["before"] else None,
        after=opened.get(touch["after"]),
        before_redacted_by=redacted.get(touch["before"]) if touch["before"] else None,
        after_redacted_by=redacted.get(touch["after"]),
    )


def _reason(body: Mapping[str, Any], opened: _Opened, redacted: Mapping[str, int]) -> str | None:
    if "reason" not in body:
        return None
    name = body["reason"]["commit"]
    document = opened.get(name)
    if document is None:
        return f"(redacted, authorised by entry {redacted[name]})" if name in redacted else "(missing)"
    return str(document["text"])
