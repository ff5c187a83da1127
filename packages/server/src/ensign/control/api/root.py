"""The API itself: every app's router under ``/api/v1``, described at ``/api/v1/openapi.json``.

Routers carry whole paths (``/projects/{project}/flags``), so that an address is found by searching for it.
"""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

import ensign
from ensign.control.access.api import router as access
from ensign.control.access.approval_keys_api import router as approval_keys
from ensign.control.access.duty_api import router as access_duties
from ensign.control.access.emergency_api import router as emergency_access
from ensign.control.access.inquiry_api import router as access_inquiries
from ensign.control.access.provider_api import router as identity_providers
from ensign.control.access.roles_api import router as roles
from ensign.control.access.rotation_api import router as rotation
from ensign.control.access.sign_in_api import router as signing_in
from ensign.control.api import problems
from ensign.control.api.auth import AUTHENTICATION
from ensign.control.api.parser import StrictParser
from ensign.control.changes.api import router as changes
from ensign.control.changes.bulk_api import router as bulk_changes
from ensign.control.changes.policy_api import router as policies
from ensign.control.changes.porting_api import router as import_export
from ensign.control.changes.reach_api import router as change_reach
from ensign.control.changes.review_api import router as change_reviews
from ensign.control.changes.signing_api import router as signing
from ensign.control.changes.timing_api import router as timing
from ensign.control.evidence.api import router as evidence
from ensign.control.federation.api import router as federation
from ensign.control.flags.api import router as flags
from ensign.control.incidents.api import router as kills
from ensign.control.incidents.emergency_api import router as emergencies
from ensign.control.incidents.incidents_api import router as incidents
from ensign.control.incidents.practice_api import router as practice
from ensign.control.integrations.api import router as integrations
from ensign.control.monitoring.api import router as monitoring
from ensign.control.monitoring.safeguard_api import router as safeguards
from ensign.control.privacy.api import router as privacy
from ensign.control.progression.api import router as progression
from ensign.control.projects.api import router as projects
from ensign.control.projects.tokens_api import router as all_tokens
from ensign.control.publishing.api import router as publishing
from ensign.control.publishing.reach_api import router as flag_reach
from ensign.control.releases.api import router as releases
from ensign.control.scim.api import router as directory
from ensign.control.scim.movement_api import router as movements
from ensign.control.segments.api import router as segments

_WRITES = frozenset({"post", "put", "patch", "delete"})

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `remedy` says what to do.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:ensign:problem:denied"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "remedy": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_ANSWERS = {
    "400": "The request cannot be read.",
    "401": "Nobody is signed in, or the token is not valid.",
    "403": "The caller may not do this.",
    "404": "There is no such object, or the caller may not know of it.",
    "405": "The method is not possible here.",
    "409": "The object changed meanwhile, or its state does not allow this.",
    "412": "`If-Match` names another version.",
    "415": "The body is not declared as JSON.",
    "422": "The input breaks a rule; `errors` names the fields.",
    "429": "Too many requests; see `Retry-After`.",
    "503": "Something that Ensign needs is not there.",
}

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A text of your own, 1 to 200 characters. Sent again within 24 hours with the same request, it gets"
    " the same answer and nothing happens twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
}


class EnsignAPI(NinjaAPI):
    """Ninja with the answers that every endpoint may give in its description."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._described = dict[str, OpenAPISchema]()

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """OpenAPI 3.1 of all endpoints, with problems and ``Idempotency-Key`` written in.

        Made once for each prefix: it takes most of a second, in which nothing else would be answered.
        """
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        if prefix not in self._described:
            self._described[prefix] = self._describe(prefix)
        return self._described[prefix]

    def _describe(self, prefix: str) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=prefix)
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        content = {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path in schema["paths"].values():
            for method, operation in path.items():
                answers = operation.setdefault("responses", {})
                for status, text in _ANSWERS.items():
                    if int(status) not in answers:  # ninja names its own by number
                        answers.setdefault(status, {"description": text, "content": content})
                if method in _WRITES:
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        return schema

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """``flags_create_flag``: the app and the function."""
        module = operation.view_func.__module__.removeprefix("ensign.control.").removesuffix(".api")
        return f"{module}_{operation.view_func.__name__}".replace(".", "_")


api = EnsignAPI(
    title="Ensign",
    version=ensign.__version__,
    description="Feature flags whose every production change is authorised, tested, approved, logged and provable."
    " Approving is not possible by token: it needs a person in a session.",
    urls_namespace="api",
    docs_url=None,  # ninja's pages load scripts from outside
    auth=AUTHENTICATION,
    parser=StrictParser(),
)
problems.install(api)
for router in (
    access,
    approval_keys,
    signing,
    signing_in,
    access_inquiries,
    access_duties,
    identity_providers,
    emergency_access,
    projects,
    segments,
    flags,
    publishing,
    changes,
    timing,
    releases,
    kills,
    incidents,
    emergencies,
    practice,
    monitoring,
    safeguards,
    evidence,
    directory,
    movements,
    privacy,
    flag_reach,
    change_reach,
    policies,
    change_reviews,
    rotation,
    all_tokens,
    federation,
    roles,
    integrations,
    progression,
    bulk_changes,
    import_export,
):
    api.add_router("", router)
