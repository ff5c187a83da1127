"""Who belongs to an audience now: read once for a batch of entries, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from ensign.control.access import as_of
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.standing import Standing
from ensign.control.changes import rights
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.loading import owners, reached
from ensign.control.changes.models import Comment
from ensign.control.identity import queries as identity
from ensign.control.integrations.domain.table import Audience
from ensign.control.integrations.happenings import Happening
from ensign.control.releases.models import Ramp

#: Under which names a detail says whom something is about.
_NAMED = ("person", "subject", "owner", "reviewer", "requested_by", "for")


class Audiences:
    """The people of audiences as things stand at ``at``. Keep one no longer than a batch."""

    def __init__(self, *, at: datetime, requests: Mapping[str, ChangeRequest]) -> None:
        self._at = at
        self._requests = requests
        self._found: dict[tuple[str, ...], frozenset[str]] = {}
        self._find: Mapping[Audience, Callable[[Happening, ChangeRequest | None], frozenset[str]]] = {
            Audience.REVIEWERS: self._reviewers,
            Audience.AUTHORS: self._authors,
            Audience.THREAD: self._thread,
            Audience.APPROVERS: self._approvers_there,
            Audience.ADMINISTRATORS: lambda _one, _request: self.holders(Permission.ORG_SETTINGS_MANAGE, ORGANISATION),
            Audience.GRANTERS: lambda _one, _request: self.holders(Permission.ORG_ACCESS_GRANT, ORGANISATION),
            Audience.SUBJECT: self._subject,
            Audience.MANAGERS: self._managers,
        }

    @cached_property
    def _standing(self) -> Standing:
        return as_of.now(at=self._at)

    def holders(self, permission: Permission, scope: Scope) -> frozenset[str]:
        """People who hold a permission there."""
        return frozenset(line.subject for line in self._standing.who(permission, scope) if line.kind == "person")

    def readers(self, project: str) -> frozenset[str]:
        """People who may see a project; of no project: everybody who is here."""
        if not project:
            return frozenset(id for id, status in self._standing.people.items() if status == "active")
        return self.holders(Permission.PROJECT_READ, Scope(project))

    def of(self, happening: Happening, to: Sequence[Audience]) -> dict[str, Audience]:
        """Everybody to tell, each with the first audience that they belong to: not who did it, nor who may not see."""
        readers = self._known(happening, "readers", lambda: self.readers(happening.project))
        found: dict[str, Audience] = {}
        for audience in to:
            for person in self._members_of(audience, happening):
                if person != happening.actor.get("id") and person in readers:
                    found.setdefault(person, audience)
        return found

    def _members_of(self, audience: Audience, happening: Happening) -> frozenset[str]:
        request = self._requests.get(happening.request)
        if audience is Audience.SUBJECT:  # the one that depends on more than the place and the request
            return self._subject(happening, request)
        return self._known(happening, audience, lambda: self._find[audience](happening, request))

    def _known(self, happening: Happening, what: str, find: Callable[[], frozenset[str]]) -> frozenset[str]:
        """What was found for the same place and request before: a batch is often about few of them."""
        key = (what, happening.project, happening.environment, happening.request)
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]

    def _reviewers(self, happening: Happening, request: ChangeRequest | None) -> frozenset[str]:
        """Who was asked; else who may approve all of it: never everybody."""
        if request is None:
            return frozenset()
        if request.reviewers:
            return self._with_members(request.reviewers) - request.barred
        return self._approvers_there(happening, request) - request.barred - owners(request)

    @cached_property
    def _members(self) -> Mapping[str, tuple[str, ...]]:
        return identity.members()

    def _with_members(self, ids: Sequence[str]) -> frozenset[str]:
        groups = [id for id in ids if id.startswith("grp_")]
        members = [person for group in groups for person in self._members.get(group, ())]
        return frozenset(id for id in (*ids, *members) if id.startswith("usr_"))

    def _authors(self, _happening: Happening, request: ChangeRequest | None) -> frozenset[str]:
        if request is None:
            return frozenset()
        return frozenset(id for id in request.authors if id.startswith("usr_")) | owners(request)

    def _thread(self, _happening: Happening, request: ChangeRequest | None) -> frozenset[str]:
        if request is None:
            return frozenset()
        rows = Comment.objects.filter(request=request.id).values_list("content", flat=True)
        authors = {json.loads(content)["author"] for content in rows}
        decided = [one.person for one in request.decisions]
        return self._with_members([*authors, *decided, *request.reviewers])

    def _approvers_there(self, happening: Happening, request: ChangeRequest | None) -> frozenset[str]:
        """Who holds the right to approve there; of a request: in every environment, for every flag that it touches."""
        if not happening.project:
            return frozenset()
        if request is None or not request.operations:
            return self.holders(Permission.CHANGE_APPROVE, Scope(happening.project, happening.environment or None))
        flags = rights.flags_of(request.operations)
        keys = reached(project=request.project, environment=request.environment, operations=request.operations)
        stored = rights.stored_facts(flags)
        scopes = rights.apply_scopes(
            project=request.project, environments=keys, facts={stored.get(key) for key in flags}
        )
        everywhere = [self.holders(Permission.CHANGE_APPROVE, scope) for scope in scopes]
        return frozenset.intersection(*everywhere) if everywhere else frozenset()

    def _subject(self, happening: Happening, _request: ChangeRequest | None) -> frozenset[str]:
        named = [str(happening.facts[name]) for name in _NAMED if happening.facts.get(name)]
        if happening.facts.get("ramp"):
            named += Ramp.objects.filter(pk=happening.facts["ramp"]).values_list("owner", flat=True)
        return self._with_members(named)

    def _managers(self, happening: Happening, _request: ChangeRequest | None) -> frozenset[str]:
        if happening.project:
            return self.holders(Permission.PROJECT_INTEGRATIONS_MANAGE, Scope(happening.project))
        return self.holders(Permission.ORG_INTEGRATIONS_MANAGE, ORGANISATION)
