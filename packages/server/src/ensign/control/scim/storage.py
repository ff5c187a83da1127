"""Where the protocol reads and writes: ``scim2_server`` calls these between its own steps.

One of it serves one request, inside the write door if it writes. Equality of a name or id is asked of the database;
every other filter and order is worked out by the protocol's own evaluator over all that the directory lists.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from scim2_models import (
    InvalidCursorException,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.memory import InMemoryStorage
from scim2_server.storage import ScimStorage, SearchPage

from ensign.control.access import provisioning
from ensign.control.identity.models import Group as GroupRow
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound
from ensign.control.scim import mapping, users
from ensign.control.scim.domain import key_of
from ensign.control.scim.models import DirectoryUser

#: Lower-case attribute of an ``eq`` filter that the database answers -> column.
_COLUMNS: Final = {"username": "user_key", "externalid": "external_id", "id": "pk"}


class DirectoryStorage(ScimStorage):
    """The directory's users and groups, for one request of ``actor`` at ``at``.

    ``writing``: what is read is locked until the commit, so that what the protocol works out from it still fits.
    """

    supports_cursors = True

    def __init__(self, *, actor: Actor, at: datetime, writing: bool) -> None:
        self._actor = actor
        self._at = at
        self._writing = writing

    # -- Reading --------------------------------------------------------------------------------------

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """One user or group. The members of a group are not read where they are not asked for."""
        found: list[Resource[Any]]
        if resource_type.name == "User":
            listed = _users().filter(pk=resource_id)
            found = mapping.users(list(listed.select_for_update() if self._writing else listed))
        else:
            there = GroupRow.objects.filter(pk=resource_id, status="active")
            rows = [row for row in (there.select_for_update() if self._writing else there) if _managed(row)]
            found = mapping.groups(rows, members=_wants_members(response_parameters))
        if not found:
            raise NotFoundException(detail=f"There is no such {resource_type.name}.")
        return found[0]

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """One page of what matches."""
        names = [str(one.name) for one in resource_types]
        if names == ["User"] and search_request.sort_by is None:
            narrowed = _narrowed(search_request)
            if narrowed is not None:
                return _page(narrowed, search_request, position)
        members = _wants_members(search_request) or "members" in str(search_request.filter or "").lower()
        everything = InMemoryStorage()
        found: list[Resource[Any]] = []
        if "User" in names:
            found += mapping.users(list(_users().order_by("pk")))
        if "Group" in names:
            rows = [row for row in GroupRow.objects.filter(status="active").order_by("pk") if _managed(row)]
            found += mapping.groups(rows, members=members)
        everything.resources = found
        return everything.search(resource_types, search_request, position=position)

    # -- Writing --------------------------------------------------------------------------------------

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Add a user (or adopt a person who is here) or a group."""
        value: Any = resource
        if resource_type.name == "User":
            id = users.create(actor=self._actor, at=self._at, said=mapping.said(resource))
        else:
            id = provisioning.create_group(
                actor=self._actor, at=self._at, name=value.display_name or "", external_id=value.external_id
            )
            self._members(id, resource)
        return self.get(resource_type, id)

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Write the whole new state of a user or group."""
        id, value = str(resource.id), resource
        before = self._unmoved(resource_type, id, expected_version)
        if resource_type.name == "User":
            said, was = mapping.said(resource), mapping.said(before)
            users.change(actor=self._actor, at=self._at, person_id=id, said=said, before=was)
        else:
            group: Any = value
            provisioning.change_group(
                actor=self._actor,
                at=self._at,
                group_id=id,
                name=group.display_name or "",
                external_id=group.external_id,
            )
            if mapping.members(resource) != mapping.members(before):
                self._members(id, resource)
        return self.get(resource_type, id)

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        """Let a person go for good, or give a group up."""
        self._unmoved(resource_type, resource_id, expected_version)
        if resource_type.name == "User":
            users.remove(actor=self._actor, at=self._at, person_id=resource_id)
        else:
            provisioning.archive_group(actor=self._actor, at=self._at, group_id=resource_id)

    def _members(self, group_id: str, resource: Resource[Any]) -> None:
        wanted = mapping.members(resource)
        listed = set(_users().filter(pk__in=sorted(wanted)).values_list("pk", flat=True))
        if not wanted <= listed:
            raise NotFound("The directory lists no such member.", code="member-unknown")
        provisioning.set_members(actor=self._actor, at=self._at, group_id=group_id, wanted=wanted)

    def _unmoved(self, resource_type: ResourceType, id: str, expected_version: str | None) -> Resource[Any]:
        current = self.get(resource_type, id)
        if expected_version is not None and current.meta is not None and current.meta.version != expected_version:
            raise PreconditionFailedException
        return current


def _users() -> QuerySet[DirectoryUser]:
    return DirectoryUser.objects.filter(status="present")


def _managed(row: GroupRow) -> bool:
    return row.state.get("directory") is not None


def _wants_members(asked: ResponseParameters[Any] | None) -> bool:
    if asked is None:
        return True
    names = [str(name).lower().rpartition(":")[2] for name in asked.attributes or ()]
    without = [str(name).lower().rpartition(":")[2] for name in asked.excluded_attributes or ()]
    return "members" not in without and (not names or any(name.startswith("members") for name in names))


def _narrowed(search_request: SearchRequest[Any]) -> QuerySet[DirectoryUser] | None:
    """The users that match, as a query; None when the database cannot tell."""
    if search_request.filter is None:
        return _users()
    node = search_request.filter.ast
    if not isinstance(node, Comparison) or node.op != CompareOperator.eq or not isinstance(node.value, str):
        return None
    path = node.attr_path
    column = _COLUMNS.get(str(path).lower().removeprefix("urn:ietf:params:scim:schemas:core:2.0:user:"))
    if column is None:
        return None
    return _users().filter(**{column: key_of(node.value) if column == "user_key" else node.value})


def _page(rows: QuerySet[DirectoryUser], asked: SearchRequest[Any], position: Any) -> SearchPage:
    """A page in the order of ids; a cursor's position is ``[direction, id]``."""
    total = rows.count()
    count = asked.count if asked.count is not None else total
    if asked.cursor is None:
        start = asked.start_index_0 or 0
        return SearchPage(total, mapping.users(list(rows.order_by("pk")[start : start + count])))
    if count == 0:
        return SearchPage(total, [])
    if position is not None and not (isinstance(position, list) and len(position) == 2):
        raise InvalidCursorException
    way, anchor = ("next", "") if position is None else map(str, position)
    if way == "previous":
        found = list(rows.filter(pk__lt=anchor).order_by("-pk")[:count])[::-1]
    else:
        found = list(rows.filter(pk__gt=anchor).order_by("pk")[:count])
    page = SearchPage(total, mapping.users(found))
    if found and rows.filter(pk__gt=found[-1].pk).exists():
        page.next = ["next", found[-1].pk]
    if found and rows.filter(pk__lt=found[0].pk).exists():
        page.previous = ["previous", found[0].pk]
    return page
