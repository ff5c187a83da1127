"""What Ensign serves by SCIM (RFC 7643): users and groups, cut down to what it keeps. No Django.

The schemas that ``/Schemas`` publishes are these: an attribute that is not here is taken and forgotten, as RFC 7644
section 3.3 allows, and never stored. Passwords, phone numbers, addresses and photographs are such.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Final, cast

from pydantic import Field, field_validator
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    External,
    Filter,
    InvalidValueException,
    Mutability,
    Pagination,
    Patch,
    PatchOp,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models.resources.resource import AnyExtension
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService, is_json_media_type

from ensign.control.scim import patches

PAGE: Final = 100
"""How many resources a page holds when the client does not say."""
PAGE_MAX: Final = 1000
OPERATIONS_MAX: Final = 100
"""Operations of one PATCH, unless it adds and removes members alone: these may be a megabyte."""


class Name(ComplexAttribute):
    formatted: str | None = None
    """The full name."""

    family_name: str | None = None
    """The family name."""

    given_name: str | None = None
    """The given name."""


class Email(ComplexAttribute):
    value: str | None = None
    """The address. The primary one, else the first of type work, is the person's address in Ensign."""

    type: str | None = None
    """What it is for, such as work."""

    primary: bool | None = None
    """Whether it is the preferred one."""


class User(Resource[AnyExtension]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The directory's unique name of the person, compared without regard to case."""

    name: Name | None = None
    """The person's name."""

    Name: ClassVar[type[ComplexAttribute]] = Name

    display_name: str | None = None
    """The name that Ensign shows; without one it is made of the parts of the name."""

    title: str | None = None
    """What the person does."""

    active: bool | None = None
    """Whether the person may use Ensign. False ends their sessions, tokens and pending approvals at once."""

    emails: list[Email] | None = None
    """The person's addresses."""

    Emails: ClassVar[type[ComplexAttribute]] = Email


class Manager(ComplexAttribute):
    value: Annotated[str | None, CaseExact.true] = None
    """The id of the person's manager, as the directory spells it."""


class EnterpriseUser(Extension):
    __schema__ = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

    department: str | None = None
    """The person's department."""

    manager: Manager | None = None
    """The person's manager."""

    @field_validator("manager", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """Entra sends the manager's id alone."""
        return {"value": value} if isinstance(value, str) else value


class Employment(Extension):
    __schema__ = URN("urn:ietf:params:scim:schemas:extension:ensign:2.0:User")

    termination_at: str | None = Field(None, examples=["2026-12-31T17:00:00Z"])
    """When the person's employment ends or ended (RFC 3339), for the report of leavers. It deactivates nobody."""


class GroupMember(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of the user."""

    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]  # named by schema
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The address of the user."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """Always User: groups hold no groups."""


class Group(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The group's name, at most 100 characters."""

    members: list[GroupMember] | None = None
    """Who belongs to it."""

    Members: ClassVar[type[ComplexAttribute]] = GroupMember


FullUser = User[EnterpriseUser | Employment]

USER, GROUP = ResourceType.from_resource(FullUser), ResourceType.from_resource(Group)

_POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


def _config(documentation: str) -> ServiceProviderConfig:
    return ServiceProviderConfig(
        documentation_uri=Reference[External](documentation),
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=PAGE_MAX),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        pagination=Pagination(
            cursor=True,
            index=True,
            default_pagination_method=Pagination.DefaultPaginationMethod.index,
            default_page_size=PAGE,
            max_page_size=PAGE_MAX,
            cursor_timeout=3600,
        ),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token of the directory (ensign_scim_…), made under Settings, Directory.",
                spec_uri=Reference[External]("https://datatracker.ietf.org/doc/html/rfc6750"),
                primary=True,
            )
        ],
    )


class Service(ScimService):
    """The protocol, with two accommodations: the full user answers a PATCH, as Okta reads it; and members come and go
    in the forms of Okta and Entra, thousands at a time (``patches``).
    """

    def read_patch(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> PatchOp[Any]:
        """The operations; of a group's members alone as sets, which is the same and takes no time."""
        if resource_type.name == "Group" and is_json_media_type(content_type or "application/json"):
            try:
                sent = json.loads(body)
                found = patches.members_patch(sent, member=_member)
                body = json.dumps(patches.without_nulls(sent)).encode()
            except (ValueError, RecursionError):
                found = None  # the protocol says what is wrong with it
            if found is not None:
                return cast("PatchOp[Any]", found)  # apply_patch asks it for `patch`, and nothing else
        if body.count(b'"op"') > OPERATIONS_MAX:
            raise InvalidValueException(detail=f"A PATCH holds at most {OPERATIONS_MAX} operations.")
        return super().read_patch(resource_type, body, content_type)

    def patch_response(self, base_url: str, resource: Resource[Any], response_parameters: Any) -> ScimResponse:
        """A user as it is now; for a group, which may have thousands of members, 204 unless attributes are asked."""
        if isinstance(resource, Group):
            return super().patch_response(base_url, resource, response_parameters)
        return self.replacement_response(base_url, resource, response_parameters)


def _member(id: str) -> GroupMember:
    return GroupMember(value=id, ref=None, type="User")


def service(*, secret: bytes, documentation: str) -> Service:
    """The protocol's side of ``/scim/v2``. ``secret`` seals cursors; every process of the installation shares it."""
    provider = ScimProvider(
        models=[User, EnterpriseUser, Employment, Group],
        resource_types=[USER, GROUP],
        config=_config(documentation),
        policy=_POLICY,
    )
    return Service(provider, secret=secret)
