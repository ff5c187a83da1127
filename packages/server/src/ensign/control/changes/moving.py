"""Which of many open requests were overtaken: a list says so before anybody opens one."""

from __future__ import annotations

from collections.abc import Sequence

from ensign.control.changes.domain import trust
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import Ref
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.projects.models import Environment, Policy
from ensign.control.segments.models import Segment, SegmentEnvironment


def overtaken(requests: Sequence[ChangeRequest]) -> frozenset[str]:
    """Ids of those open requests of which something that they touch or reference changed since they were written.

    At most six queries, however many requests there are.
    """
    waiting = [request for request in requests if request.open and request.base]
    if not waiting:
        return frozenset()
    now = _versions(waiting)
    return frozenset(
        request.id
        for request in waiting
        if trust.moved(request, {name: now.get((request.project, name), 0) for name in request.base})
    )


def _versions(requests: Sequence[ChangeRequest]) -> dict[tuple[str, str], int]:
    """(project, name of an object as in a base) -> its version; what has none yet is missing."""
    projects = {request.project for request in requests}
    refs = {Ref.parse(name) for request in requests for name in request.base}
    flags = {ref.key for ref in refs if ref.kind in {"flag", "config"}}
    segments = {ref.key for ref in refs if ref.kind == "segment"}
    found: dict[tuple[str, str], int] = {}

    def note(kind: str, rows: Sequence[tuple[str, str, str, int]]) -> None:
        for project, environment, key, version in rows:
            found[project, Ref(kind, environment, key).name] = version

    if flags:
        rows = Flag.objects.filter(project__in=projects, key__in=flags).values_list("project", "key", "version")
        note("flag", [(project, "", key, version) for project, key, version in rows])
        contents = FlagEnvironment.objects.filter(project__in=projects, flag__in=flags)
        note("config", list(contents.values_list("project", "environment", "flag", "version")))
    if segments:
        shared = Segment.objects.filter(project__in=projects, key__in=segments)
        note("segment", [(p, "", key, version) for p, key, version in shared.values_list("project", "key", "version")])
        rules = SegmentEnvironment.objects.filter(project__in=projects, segment__in=segments)
        note("segment", list(rules.values_list("project", "environment", "segment", "version")))
    if any(ref.kind == "policy" for ref in refs):
        policies = Policy.objects.filter(project__in=projects).values_list("project", "environment", "version")
        note("policy", [(project, environment, "", version) for project, environment, version in policies])
    if any(ref.kind == "environment" for ref in refs):
        places = Environment.objects.filter(project__in=projects, status="active")
        known = places.values_list("project", "key", "version")
        note("environment", [(project, key, "", version) for project, key, version in known])
    return found
