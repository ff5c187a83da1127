"""`ensign privacy`."""

from __future__ import annotations

from typing import Annotated

import typer

from ensign.cli.client import connect
from ensign.cli.frame import Json, group, show, show_rows

app = group(
    help="What is stored where, and who was erased. Over the API. Erasing takes two people in sessions of their own:"
    " People → a person → What Ensign holds."
)


@app.command("map")
def data_map(as_json: Json = False) -> None:
    """The data map: every table and place, whose data it holds, for how long, and how it is erased."""
    found = connect().call("GET", "/privacy/map")
    if as_json:
        show(found, as_json=True, text="")
        return
    rows = [{"where": one["table"], **one} for one in found["tables"]]
    rows += [{"where": one["place"], **one} for one in found["outside"]]
    show_rows(
        rows,
        as_json=False,
        columns=(
            ("where", "where"),
            ("personal data of", "personal_data_of"),
            ("kept", "kept"),
            ("when a person is erased", "when_erased"),
        ),
        empty="",
    )


@app.command()
def me(as_json: Json = False) -> None:
    """Everything that is held on the person whose token this is."""
    found = connect().call("GET", "/privacy/me")
    tables = {**found["about"], **found["written_by"]}
    counts = "\n".join(f"  {table}: {len(rows)}" for table, rows in tables.items())
    show(
        found,
        as_json=as_json,
        text=f"Rows about {found['person']}, by table:\n{counts}\n{len(found['entries'])} entries of the log."
        "\nWith --json: all of it.",
    )


@app.command()
def erase(
    person: Annotated[str, typer.Argument(help="Who left, usr_….")],
    reason: Annotated[str, typer.Option(help="On what grounds, without naming them.")] = "",
) -> None:
    """Always refused: erasing takes two people, each in a session with a second factor. Says where."""
    connect().call("POST", "/privacy/erasures", {"person": person, "reason": reason})


@app.command()
def erasures(
    person: Annotated[str | None, typer.Option(help="Only of this person, usr_….")] = None, as_json: Json = False
) -> None:
    """Erasures: who asked, who confirmed, by ids."""
    show_rows(
        connect().pages("/privacy/erasures", query={"person": person}),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("person", "person"),
            ("status", "status"),
            ("asked by", "asked_by"),
            ("asked", "asked_at"),
            ("ended by", "ended_by"),
        ),
        empty="Nobody was erased.",
    )
