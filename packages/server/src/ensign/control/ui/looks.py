"""What components show: frozen rows without Django, so that a page maps its domain to words once.

Everything here is already in the reader's language. No field is HTML; templates escape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal


class Tone(StrEnum):
    """The meaning of a colour. A tone never stands alone: an icon and a word go with it."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    CALM = "calm"
    INFO = "info"
    VIOLET = "violet"


ENVIRONMENT_COLOURS: Final = ("teal", "amber", "crimson", "indigo", "moss", "sky", "plum", "slate")
"""The names an environment's colour may have; each is a set of three tokens in tokens.css."""

_COLOUR_BY_KEY: Final = {
    "development": "teal", "dev": "teal", "local": "slate", "test": "sky", "testing": "sky", "qa": "indigo",
    "staging": "amber", "preview": "moss", "production": "crimson", "prod": "crimson", "live": "crimson",
}  # fmt: skip


def environment_colour(*, key: str, position: int, protected: bool) -> str:
    """The colour name of an environment that chose none: by its key, else protection, else its place.

    ``position`` is its place in the project's order, from 0.
    """
    if key in _COLOUR_BY_KEY:
        return _COLOUR_BY_KEY[key]
    if protected:
        return "crimson"
    free = tuple(colour for colour in ENVIRONMENT_COLOURS if colour != "crimson")
    return free[position % len(free)]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An environment as every page shows it. ``colour`` is one of ENVIRONMENT_COLOURS."""

    key: str
    name: str
    colour: str
    protected: bool = False
    note: str = ""
    """What protection means here, for the band: "changes need 1 approval"."""
    href: str = ""

    def __post_init__(self) -> None:
        if self.colour not in ENVIRONMENT_COLOURS:
            raise ValueError(f"unknown environment colour {self.colour!r}; known: {ENVIRONMENT_COLOURS}")


@dataclass(frozen=True, kw_only=True)
class Crumb:
    """One step of the way to a page; the last has no ``href``."""

    label: str
    href: str = ""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who did it. ``kind`` decides the picture: initials, a machine, or Ensign itself."""

    name: str
    kind: Literal["person", "service", "system"] = "person"
    detail: str = ""
    href: str = ""

    @property
    def initials(self) -> str:
        """One or two capital letters."""
        words = [word for word in self.name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
        if not words:
            return "?"
        return (words[0][0] + (words[1][0] if len(words) > 1 else "")).upper()


@dataclass(frozen=True, kw_only=True)
class FlagState:
    """A flag in one environment, in one cell."""

    state: Literal["on", "off", "none"]
    rollout: int | None = None
    """Per cent, 0 to 100, of the widest strategy; None where rollout says nothing."""
    note: str = ""
    """What the number leaves out: "3 strategies"."""
    short: str = ""
    """The note where there is no room for it: "×3"; shown in lists, and never read out."""
    pending: int = 0
    """How many open requests would change it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One condition: a field, words for the operator, and its values."""

    field: str
    operator: str
    values: Sequence[str] = ()
    negative: bool = False
    case_insensitive: bool = False
    kind: Literal["constraint", "segment"] = "constraint"
    href: str = ""
    more: int = 0
    """How many values are not shown."""


PARTS: Final = 6
"""How many colours a bar of shares has before they repeat."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant and its weight in thousandths."""

    name: str
    weight: int
    payload: str = ""

    @property
    def per_cent(self) -> str:
        """The weight as text, without a needless decimal: "33.3 %", "50 %"."""
        whole, rest = divmod(self.weight, 10)
        return f"{whole}.{rest} %" if rest else f"{whole} %"


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A strategy as a reader meets it: for whom, and for how many of them."""

    title: str
    sentence: str
    rollout: int | None = None
    rules: Sequence[Rule] = ()
    variants: Sequence[Variant] = ()
    enabled: bool = True
    anchor: str = ""


class DiffKind(StrEnum):
    """How a row of a difference differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class DiffRow:
    """One thing that differs; None means that it is not there on that side."""

    what: str
    before: str | None = None
    after: str | None = None

    @property
    def kind(self) -> DiffKind:
        """Added, removed or changed."""
        if self.before is None:
            return DiffKind.ADDED
        return DiffKind.REMOVED if self.after is None else DiffKind.CHANGED


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference: sentences first, rows second, JSON last."""

    sentences: Sequence[str]
    rows: Sequence[DiffRow] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened, for a timeline."""

    title: str
    at: datetime
    icon: str = "dot"
    tone: Tone = Tone.CALM
    person: Person | None = None
    body: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A condition of a change request, met or not."""

    label: str
    met: bool | None
    """None: not yet decided."""
    detail: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A tab, a segment of a segmented control, or an entry of a switcher."""

    label: str
    href: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Pager:
    """Cursor pages: what is on this one and where its neighbours are."""

    shown: int
    noun: str
    total: int | None = None
    newer: str = ""
    older: str = ""

    @property
    def words(self) -> str:
        """The noun, in the singular for one: "1 entry", "1 press", "1 flag"."""
        if (self.shown if self.total is None else self.total) != 1:
            return self.noun
        for plural, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
            if self.noun.endswith(plural):
                return self.noun.removesuffix(plural) + one
        return self.noun


@dataclass(frozen=True, kw_only=True)
class ActiveFilter:
    """A filter in force and the address without it."""

    label: str
    href: str


@dataclass(frozen=True, kw_only=True)
class NavItem:
    """A room, as the navigation shows it. ``key`` is what ``g`` + ``shortcut`` goes to."""

    label: str
    icon: str
    href: str
    shortcut: str = ""
    current: bool = False
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class NavGroup:
    """Rooms that belong together; ``title`` may be empty."""

    title: str
    items: Sequence[NavItem]


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Everything round a page."""

    nav: Sequence[NavGroup] = ()
    person: Person | None = None
    project: str = ""
    projects: Sequence[Choice] = ()
    commands_url: str = ""
    sign_out_url: str = ""
    account_url: str = ""
    security_url: str = ""
    told_url: str = ""
    shortcuts: Sequence[tuple[str, str]] = field(default=())
    """Keys and what they do, shown by ``?``."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """A word with its icon and tone."""

    word: str
    icon: str
    tone: Tone


REQUEST_STATUSES: Final[Mapping[str, Status]] = {
    "draft": Status(word="Draft", icon="draft", tone=Tone.CALM),
    "in_review": Status(word="In review", icon="eye", tone=Tone.INFO),
    "changes_requested": Status(word="Changes requested", icon="comment", tone=Tone.WARN),
    "approved": Status(word="Approved", icon="check", tone=Tone.VIOLET),
    "scheduled": Status(word="Scheduled", icon="schedule", tone=Tone.VIOLET),
    "applied": Status(word="Applied", icon="on", tone=Tone.GOOD),
    "rejected": Status(word="Rejected", icon="failure", tone=Tone.BAD),
    "withdrawn": Status(word="Withdrawn", icon="withdrawn", tone=Tone.CALM),
    "expired": Status(word="Expired", icon="waiting", tone=Tone.CALM),
    "conflicted": Status(word="Conflict", icon="warning", tone=Tone.BAD),
}
"""The states of a change request (design.md, glossary)."""
