"""Flags as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from ensign.control.flags import editor, words
from ensign.control.flags import strategies as types
from ensign.control.flags.beside import Pending
from ensign.control.flags.domain import FlagConfig, Strategy, Variant
from ensign.control.flags.listing import NEVER, Cell, ListRow
from ensign.control.projects.pages import Place
from ensign.control.segments.pages import rule
from ensign.control.ui import looks


def state(cell: Cell, *, pending: int = 0) -> looks.FlagState:
    """A cell as the lists show it."""
    note = short = ""
    if cell.state == "on" and cell.strategies > 1:
        note, short = f"{cell.strategies} strategies", f"×{cell.strategies}"
    elif cell.state == "on" and cell.conditions:
        note, short = "conditional", "if"
    return looks.FlagState(state=cell.state, rollout=cell.rollout, note=note, short=short, pending=pending)  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def cell_html(environment: str, cell: Cell, pending: int) -> SafeString:
    """A cell's HTML. Thousands of cells have few different faces, so each face is rendered once."""
    shown = render_to_string("ui/components/flag_state.html", {"state": state(cell, pending=pending)})
    return format_html('<td data-label="{}">{}</td>', environment, shown)


_ROW = (
    '<tr><th scope="row">{}<a class="key" href="/projects/{}/flags/{}">{}</a>{}</th>'
    '<td class="col-wide" data-label="Type">{}</td>{}'
    '<td class="col-changed" data-label="Changed"><time datetime="{}" title="{}" data-moment>{}</time></td></tr>'
)
#: Belongs to the form of the list that does something with many flags at once.
_CHOOSE = '<input type="checkbox" class="pick" form="bulk" name="flag" value="{0}" aria-label="Choose {0}">'
_STALE = mark_safe(' <span class="badge tone-warn">stale</span>')


def rows_html(
    rows: Sequence[ListRow],
    *,
    project: str,
    places: Sequence[Place],
    waiting: Mapping[tuple[str, str], Sequence[Pending]],
    choose: bool = False,
) -> SafeString:
    """The rows of the list of flags; with ``choose`` with a box for acts on many.

    Not a template: with a thousand rows the engine's look-ups took three quarters of the page's time.
    """
    made = []
    for row in rows:
        key = row.info.key
        cells = [
            cell_html(place.row.name, row.cells.get(place.row.key, NEVER), len(waiting.get((key, place.row.key), ())))
            for place in places
        ]
        at = row.changed_at
        made.append(
            format_html(
                _ROW,
                format_html(_CHOOSE, key) if choose else "",
                project,
                quote(key, safe=""),
                key,
                _STALE if row.stale else "",
                row.info.type,
                mark_safe("".join(cells)),  # noqa: S308 — each was made by format_html
                at.isoformat(timespec="seconds"),
                at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                f"{at.day} {at:%b %Y}",
            )
        )
    return mark_safe("".join(made))  # noqa: S308 — each was made by format_html


def variant(value: Variant) -> looks.Variant:
    """A variant with the beginning of its payload."""
    return looks.Variant(
        name=value.name, weight=value.weight, payload="" if value.payload is None else value.payload.value[:80]
    )


def strategy(value: Strategy, *, project: str, segments: Mapping[str, str]) -> looks.Strategy:
    """A strategy as a readable rule; ``segments`` maps keys to names."""
    kind = types.TYPES.get(value.name)
    rules = [
        looks.Rule(
            field=segments.get(key, key),
            operator="in segment",
            kind="segment",
            href=f"/projects/{project}/segments/{key}",
        )
        for key in value.segments
    ]
    return looks.Strategy(
        title=value.title or (kind.label if kind else value.name),
        sentence=words.who(value),
        rollout=words.share(value),
        rules=[*rules, *(rule(c) for c in value.constraints)],
        variants=[variant(v) for v in value.variants],
        enabled=not value.disabled,
        anchor=value.id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A flag in one environment, as the flag's page shows it, with the addresses of its acts.

    ``drafted`` is its content as the reader's own draft would leave it, None without one.
    """

    place: Place
    cell: Cell
    config: FlagConfig
    version: int
    sentence: str
    frozen: str
    strategies: Sequence[tuple[Strategy, looks.Strategy]]
    variants: Sequence[looks.Variant]
    dependencies: Sequence[str]
    pending: Sequence[Pending]
    reach: object | None
    panels: Sequence[object]
    draft: str
    kill: str
    may_switch: bool
    may_add: bool
    may_edit: bool
    may_remove: bool
    may_variants: bool
    may_depend: bool
    may_kill: bool
    drafted: FlagConfig | None = None

    @property
    def state(self) -> looks.FlagState:
        """Its state for the column's head."""
        return state(self.cell, pending=len(self.pending))

    @property
    def variant_rows(self) -> list[editor.VariantRow]:
        """The flag's own variants as form rows, as in the reader's draft if there is one, and two empty ones."""
        rows = editor.variants((self.drafted or self.config).variants)
        return [*rows, *(editor.VariantRow(n=len(rows) + extra) for extra in range(2))]


def draft_address(project: str, environment: str) -> str:
    """Where changes collects a person's edits for one environment (POST)."""
    return f"/projects/{project}/environments/{environment}/draft"


def kill_address(project: str, environment: str, flag: str) -> str:
    """Where incidents switches a flag off at once (POST)."""
    return f"/projects/{project}/environments/{environment}/flags/{flag}/kill"
