"""What every command shares: exit codes, one line for an error, tables or JSON for a result."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from ensign.control.kernel import errors


class Exit(IntEnum):
    """What a command ends with (docs/reference/cli.md). 2 is Typer's, for a command line it cannot read."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INVALID = 3
    NOT_FOUND = 4
    DENIED = 5
    CONFLICT = 6
    UNAVAILABLE = 7
    FINDINGS = 8


_EXITS: tuple[tuple[type[errors.EnsignError], Exit], ...] = (
    (errors.Invalid, Exit.INVALID),
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.Unauthenticated, Exit.DENIED),
    (errors.Denied, Exit.DENIED),
    (errors.Conflict, Exit.CONFLICT),
    (errors.RateLimited, Exit.UNAVAILABLE),
    (errors.Unavailable, Exit.UNAVAILABLE),
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

#: Columns of a table that goes to a file or a pipe: whoever reads that, `grep` say, has lines and no width.
_WHOLE = 10_000

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def exit_code(error: errors.EnsignError) -> Exit:
    """The exit code of an expected failure."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.UNEXPECTED)


def complain(error: errors.EnsignError) -> None:
    """One line with what is wrong, one for each field, one with the remedy; to standard error.

    With ``--json`` on the command line, one JSON object instead.
    """
    if "--json" in sys.argv[1:]:
        body = {"code": error.code, "message": error.message, "remedy": error.remedy, "fields": error.fields}
        print(json.dumps(body, ensure_ascii=False), file=sys.stderr)
        return
    err.print(f"[bold red]error:[/] {_plain(error.message)}")
    for field, text in error.fields.items():
        err.print(f"  {_plain(field)}: {_plain(text)}")
    if error.remedy:
        err.print(f"[bold]remedy:[/] {_plain(error.remedy)}")


def _plain(text: str) -> str:
    """Text of others must not be read as rich's markup."""
    return text.replace("[", "\\[")


class Framed(TyperGroup):
    """A group whose commands end an expected failure with a line and an exit code, never with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except errors.EnsignError as error:
            complain(error)
            raise typer.Exit(int(exit_code(error))) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough (`| head`); Python would complain again at exit.
            sys.stdout = open(  # noqa: SIM115  # it lives as long as the process
                "/dev/null", "w", encoding="utf-8"
            )
            raise typer.Exit(int(Exit.OK)) from None


def group(*, help: str) -> typer.Typer:
    """A Typer app of the common kind."""
    return typer.Typer(
        cls=Framed, help=help, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def show(value: Any, *, as_json: bool, text: str) -> None:
    """Print ``value`` as JSON, or ``text``."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str))
    else:
        out.print(_plain(text))


def show_rows(
    rows: Iterable[Mapping[str, Any]], *, as_json: bool, columns: Sequence[tuple[str, str]], empty: str
) -> None:
    """Print rows as a table of ``columns`` (title, member), or all their members as a JSON list."""
    found = list(rows)
    if as_json:
        show(found, as_json=True, text="")
        return
    if not found:
        out.print(_plain(empty))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for row in found:
        table.add_row(*(_cell(row.get(member)) for _, member in columns))
    if not out.is_terminal:
        out.width = _WHOLE
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    return _plain(str(value))
