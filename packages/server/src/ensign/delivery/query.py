"""What a client may see and asks for: the effective query of a features request (wire contracts, 1.4 and 3.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b

from ensign.delivery.http import bad_data
from ensign.delivery.tokens import ALL, Token

_PROJECT = re.compile(r"[A-Za-z0-9_~.-]{1,100}\Z")
_TAG = re.compile(r"(\w+):(.+)\Z", re.DOTALL)
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_PRERELEASE = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?\Z"
)
SEGMENTS_SINCE = (4, 2, 0)
MAX_FILTERS = 100


@dataclass(frozen=True, slots=True)
class Query:
    """`projects` None means all. `inline` puts segments' constraints into strategies, for clients without segments.

    `signed` is for clients that verify: the answer holds the rulesets' signatures.
    """

    environment: str
    projects: tuple[str, ...] | None
    prefix: str = ""
    tags: tuple[str, ...] = ()
    inline: bool = False
    signed: bool = field(default=False, repr=False)

    @property
    def hash(self) -> str:
        """Eight hex digits that differ between queries, so that caches never mix their answers."""
        text = f"{self!r} signed" if self.signed else repr(self)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()

    def to_wire(self) -> dict[str, object]:
        """The echo that the answer carries."""
        shape: dict[str, object] = {"environment": self.environment, "inlineSegmentConstraints": self.inline}
        if self.projects is not None:
            shape["project"] = list(self.projects)
        if self.prefix:
            shape["namePrefix"] = self.prefix
        if self.tags:
            shape["tag"] = [tag.split(":", 1) for tag in self.tags]
        return shape


def effective(token: Token, pairs: list[tuple[str, str]], *, spec: str = "", signed: bool = False) -> Query:
    """The query that `token` allows of what the client asks: parameters can narrow it, never widen it.

    `spec` is the Unleash-Client-Spec header; who wants it `signed` knows segments. Raises Refusal (400) for values that
    no client means.
    """
    projects: list[str] = []
    tags: list[str] = []
    prefix = ""
    if len(pairs) > MAX_FILTERS:
        raise bad_data(f"The query has more than {MAX_FILTERS} parts.")
    for name, value in pairs:
        if name == "project":
            if not _PROJECT.match(value):
                raise bad_data("A project must be 1 to 100 URL-friendly characters.", path="project")
            projects.append(value)
        elif name == "tag":
            if not _TAG.match(value):
                raise bad_data("A tag must look like type:value.", path="tag")
            tags.append(value)
        elif name == "namePrefix":
            prefix = value
    if token.projects != ALL:
        chosen: tuple[str, ...] | None = token.projects
    else:
        chosen = None if not projects or "*" in projects else tuple(sorted(set(projects)))
    if signed and (prefix or tags):
        message = "A signature covers a whole ruleset: with Ensign-Signed there can be neither namePrefix nor tag."
        raise bad_data(message, path="namePrefix" if prefix else "tag")
    inline = not supports_segments(spec) and not signed
    return Query(token.environment, chosen, prefix, tuple(sorted(set(tags))), inline, signed)


def supports_segments(spec: str) -> bool:
    """Whether a client of this specification version knows segments. Raises Refusal when it is no strict SemVer."""
    if not spec:
        return False
    found = _SEMVER.match(spec)
    if found is None:
        raise bad_data("Unleash-Client-Spec must be a semantic version such as 5.1.9.", path="Unleash-Client-Spec")
    release = tuple(int(found[part]) for part in (1, 2, 3))
    # A pre-release comes before its release (SemVer 2.0.0, 11.3).
    return release > SEGMENTS_SINCE or (release == SEGMENTS_SINCE and found[4] is None)
