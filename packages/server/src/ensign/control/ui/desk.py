"""What the home page shows a person: what waits for them, what falls due, what changed, and the first steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from ensign.control.access import findings
from ensign.control.access import request_queries as access_requests
from ensign.control.access.catalogue import definitions
from ensign.control.access.permissions import Permission
from ensign.control.audit import history
from ensign.control.changes import queries as requests
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.listing import requested_of
from ensign.control.changes.waiting import waits_for_me
from ensign.control.evidence import changes as population
from ensign.control.evidence import pages as log
from ensign.control.flags import queries as flags
from ensign.control.identity import factors
from ensign.control.identity import queries as identity
from ensign.control.incidents import queries as incidents
from ensign.control.projects import pages as places
from ensign.control.projects import queries as projects
from ensign.control.publishing import usage
from ensign.control.ui import looks, oversight
from ensign.control.ui.desk_lines import Line
from ensign.control.ui.visitor import Visitor

NOTICE: Final = timedelta(days=14)
"""How long before a token ends it is mentioned."""
RECENT: Final = 8
SHOWN: Final = 12
UNFOLDED: Final = 50
UNDER_WAY: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the first steps. ``href`` is empty where an earlier step must be done first."""

    title: str
    why: str
    done: bool
    href: str = ""
    act: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A change as the log tells it, with its environment's look."""

    title: str
    row: log.LogRow
    environment: looks.Environment | None

    @property
    def subject(self) -> str:
        """What it touched, where the title does not say so."""
        return "" if self.row.subject in self.title else self.row.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The home page's content. ``rest`` is what waits beyond the first screen of it, ``more`` how much that is; a part
    of it may be left out.
    """

    todo: Sequence[Line] = ()
    rest: Sequence[Line] = ()
    more: int = 0
    under_way: Sequence[Line] = ()
    recent: Sequence[Recent] = ()
    steps: Sequence[Step] = ()

    @property
    def hidden(self) -> int:
        """How many are left out altogether."""
        return self.more - len(self.rest)

    @property
    def steps_left(self) -> int:
        """How many first steps are open."""
        return sum(not step.done for step in self.steps)

    @property
    def next_step(self) -> Step | None:
        """The first open step that can be done now."""
        return next((step for step in self.steps if not step.done and step.href), None)

    @property
    def last_step(self) -> Step | None:
        """Connecting an application: the one that needs code."""
        return self.steps[-1] if self.steps else None


def desk(who: Visitor) -> Desk:
    """Everything for ``who``, in a number of queries that does not grow with what there is."""
    mine = [
        row.request
        for row in requests.requests(
            reader=who.actor.id,
            projects=who.keys,
            statuses=("in_review", "changes_requested"),
            author=who.actor.id,
            limit=UNDER_WAY,
        )
    ]
    waits = waits_for_me(who.actor, at=who.at, rights=who.held)
    known = {request.id for request in waits}
    asked = [one for one in requested_of(who.actor, projects=who.keys) if one.id not in known]
    unexplained = incidents.kills(projects=who.keys, reason_status="open", limit=SHOWN)
    explainable = incidents.to_explain(unexplained, who.held)
    kills = [kill for kill in unexplained if kill.id in explainable]
    entries = history.entries(history.Filters(changes_only=True, projects=who.keys), limit=RECENT)
    ids = {request.author for request in [*waits, *asked]} | {kill.by for kill in kills}
    names = identity.names(ids | population.people(entries))
    colours = _Environments(who)
    steps = tuple(first_steps(who))
    linked = who.may(Permission.ORG_READ)
    todo = [
        *oversight.pressing(who, colours.look),
        *(_kill(kill, names, colours) for kill in kills),
        *(
            _review(request, names, colours) if request.status == "in_review" else _own(request, colours)
            for request in waits
        ),
        *(_asked(request, names, colours) for request in asked),
        *(_own(request, colours) for request in mine if request.status == "changes_requested"),
        *_access(who),
        *oversight.alerts(who),
        *_tokens(who),
    ]
    return Desk(
        todo=todo[:SHOWN],
        rest=todo[SHOWN : SHOWN + UNFOLDED],
        more=max(0, len(todo) - SHOWN),
        under_way=[_own(request, colours) for request in mine if request.status == "in_review"][:SHOWN],
        recent=[
            Recent(
                title=_title(entry),
                row=log.line(entry, names, linked=linked),
                environment=colours.look(entry.project, entry.environment),
            )
            for entry in entries
        ],
        steps=steps,
    )


def _title(entry: history.EntryView) -> str:
    """What the change was called: its request's title, else what the log says."""
    for change in entry.changes:
        if change.kind == "change_request" and change.after is not None and change.after.get("title"):
            return str(change.after["title"])
    return entry.title


class _Environments:
    """How environments look, read when the first is asked for."""

    def __init__(self, who: Visitor) -> None:
        self._keys = who.keys
        self._looks: dict[tuple[str, str], looks.Environment] | None = None

    def look(self, project: str, key: str) -> looks.Environment | None:
        if self._looks is None:
            every = projects.all_environments()
            self._looks = {(k, row.key): places.environment(row) for k in self._keys for row in every.get(k, ())}
        return self._looks.get((project, key))


def _review(request: ChangeRequest, names: dict[str, str], colours: _Environments) -> Line:
    return Line(
        title=request.title,
        href=reverse("changes:detail", kwargs={"id": request.id}),
        act="Review it",
        icon="eye",
        tone=looks.Tone.INFO,
        at=request.submitted_at or request.updated_at,
        detail="waits for your approval",
        project=request.project,
        environment=colours.look(request.project, request.environment),
        person=log.person(request.author, names),
    )


def _asked(request: ChangeRequest, names: dict[str, str], colours: _Environments) -> Line:
    """What somebody asked the reader to look at, who may not approve it."""
    return replace(_review(request, names, colours), act="Look at it", detail="you were asked to look at it")


def _own(request: ChangeRequest, colours: _Environments) -> Line:
    words = {
        "approved": ("Apply it", "check", looks.Tone.VIOLET, "approved; not applied yet"),
        "changes_requested": ("Edit it", "comment", looks.Tone.WARN, "a reviewer asks for changes"),
        "in_review": ("Look at it", "waiting", looks.Tone.CALM, "waits for somebody else's approval"),
    }
    act, icon, tone, detail = words[request.status]
    return Line(
        title=request.title,
        href=reverse("changes:detail", kwargs={"id": request.id}),
        act=act,
        icon=icon,
        tone=tone,
        at=request.updated_at,
        detail=detail,
        project=request.project,
        environment=colours.look(request.project, request.environment),
    )


def _kill(kill: incidents.KillView, names: dict[str, str], colours: _Environments) -> Line:
    return Line(
        title=f"{kill.flag} was switched off",
        href=reverse("incidents:kills") + f"#{kill.id}",
        act="Say why",
        icon="kill",
        tone=looks.Tone.BAD,
        at=kill.applied_at,
        detail="its reason is missing",
        project=kill.project,
        environment=colours.look(kill.project, kill.environment),
        person=log.person(kill.by, names),
    )


def _access(who: Visitor) -> Iterator[Line]:
    """Requests for access that wait for an answer, and for administrators how much there is to put right."""
    waiting = access_requests.waits_for(who.held)
    names = identity.names(one.subject for one in waiting)
    meaning = definitions(asked.role for one in waiting for asked in one.roles)
    for one in waiting:
        yield Line(
            title=f"{', '.join(sorted({meaning[asked.role].name for asked in one.roles}))} for {names[one.subject]}",
            href=reverse("access:request", args=[one.id]),
            act="Answer it",
            icon="key",
            tone=looks.Tone.INFO,
            at=one.requested_at,
            detail="waits for your answer",
        )
    if who.may(Permission.ORG_ACCESS_GRANT):
        found = findings.findings(at=who.at)
        if found:
            yield Line(
                title=f"{len(found)} thing{'' if len(found) == 1 else 's'} to put right",
                href=reverse("access:findings"),
                act="See them",
                icon="warning",
                tone=looks.Tone.WARN,
                at=min((one.since for one in found if one.since), default=who.at),
                detail="open",
            )


def _tokens(who: Visitor) -> Iterator[Line]:
    """Tokens that end soon: one's own, and those of applications in projects where one may make new ones."""
    for own in identity.tokens_of(who.actor.id):
        if own.successor is None and own.usable(at=who.at) and own.expires_at - who.at <= NOTICE:
            yield _ending(f"Your token “{own.name}”", own.expires_at, reverse("access:tokens"))
    managed = {key for key in who.keys if who.may(Permission.PROJECT_TOKENS_MANAGE, key)}
    if not managed:
        return
    left = {person.id for person in identity.people(status="disabled")}
    for token in projects.tokens():
        mine = sorted(managed.intersection(token.projects))
        if not mine or not token.live(at=who.at) or token.successor is not None:
            continue
        href = reverse("projects:detail", kwargs={"project": mine[0]}) + "#tokens"
        if token.created_by in left:
            yield Line(
                title=f"Client token “{token.name}”",
                href=href,
                act="Replace it",
                icon="key",
                tone=looks.Tone.WARN,
                at=token.created_at,
                detail="was made by somebody who has left and may still know it",
                project=mine[0],
            )
        elif token.expires_at is not None and token.expires_at - who.at <= NOTICE:
            yield _ending(f"Client token “{token.name}”", token.expires_at, href, project=mine[0])


def _ending(title: str, at: datetime, href: str, *, project: str = "") -> Line:
    return Line(
        title=title,
        href=href,
        act="Replace it",
        icon="key",
        tone=looks.Tone.WARN,
        at=at,
        detail="ends",
        project=project,
    )


def first_steps(who: Visitor) -> Iterator[Step]:
    """The way from an empty installation to a change that two people made; nothing for who cannot go it."""
    if not who.may(Permission.ORG_PROJECT_CREATE):
        return
    project = who.projects[0].key if who.projects else ""
    yield Step(
        title="Add a second factor",
        why="Approving asks for one: a passkey, or an app that shows codes.",
        done=any(factor.kind in {"totp", "webauthn"} for factor in factors.factors_of(who.actor.id)),
        href=reverse("identity:security"),
        act="Add it",
    )
    yield Step(
        title="Create a project",
        why="It comes with development, staging and a protected production.",
        done=bool(project),
        href=reverse("projects:new"),
        act="Create one",
    )
    yield Step(
        title="Invite a second person",
        why="Nobody approves their own change. You get a link to hand over; no mail server is needed.",
        done=len(identity.people()) > 1,
        href=reverse("access:invite"),
        act="Invite somebody",
    )
    yield Step(
        title="Create a flag",
        why="It is off everywhere until somebody switches it on, and in production until somebody else approves.",
        done=bool(project) and any(flags.search("", projects=who.keys, limit=1)),
        href=reverse("flags:new", kwargs={"project": project}) if project else "",
        act="Create one",
    )
    yield Step(
        title="Connect an application",
        why="Make a client token for one environment and give it to the SDK.",
        done=bool(project) and usage.connected(projects=who.keys),
        href=reverse("projects:token-new", kwargs={"project": project}) if project else "",
        act="Make a token",
    )
