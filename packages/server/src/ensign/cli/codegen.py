"""`ensign flags codegen`: a module with the flags of a project as typed constants, for editors and type checkers."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli import typed_flags
from ensign.cli.client import connect, part
from ensign.cli.frame import Json, err, show
from ensign.control.kernel.errors import Conflict, Invalid

STALE = 1
"""What `--check` ends with when the file is out of date, as formatters and linters do."""


class Language(StrEnum):
    """What can be written."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"


def codegen(
    output: Annotated[Path, typer.Argument(help="The module to write, e.g. shop/flags.py or src/flags.ts.")],
    project: Annotated[
        str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT", help="The project's key; not with --ruleset.")
    ] = "",
    ruleset: Annotated[
        list[Path] | None, typer.Option(help="A ruleset in a file, instead of asking the server; repeatable.")
    ] = None,
    language: Annotated[
        Language | None, typer.Option(help="By the file's name, if left out: .ts is TypeScript.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when the file is out of date.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the flags of a project as typed constants. A file that says the same already is left alone."""
    if ruleset:
        origin, flags, revisions = _from_files(ruleset)
    elif project:
        origin, flags, revisions = _from_server(project)
    else:
        raise Invalid("There is no project.", remedy="Give --project, set ENSIGN_PROJECT, or name a --ruleset file.")
    chosen = language or (Language.TYPESCRIPT if output.suffix in {".ts", ".mts", ".cts"} else Language.PYTHON)
    write = typed_flags.typescript if chosen is Language.TYPESCRIPT else typed_flags.python
    text = write(flags, origin=origin, revisions=revisions)
    fresh = typed_flags.same(_present(output), text)
    result = {"path": str(output), "flags": len(flags), "revisions": revisions, "changed": not fresh}
    if check:
        if not fresh:
            err.print(f"{output} is out of date. Run this again without --check, and commit it.", markup=False)
            raise typer.Exit(STALE)
        show(result, as_json=as_json, text=f"{output} is up to date.")
        return
    if not fresh:
        _write(output, text)
    show(result, as_json=as_json, text=f"{output}: {len(flags)} flags" + (", as before." if fresh else "."))


def _from_server(project: str) -> tuple[str, list[typed_flags.Shape], str]:
    """Every flag of the project that is not archived, with its variants in all environments."""
    client, base = connect(), f"/projects/{part(project)}"
    described = {row["key"]: row["description"] for row in client.pages(f"{base}/flags", query={"limit": 200})}
    places = [row["key"] for row in client.call("GET", f"{base}/environments")]
    documents = [client.call("GET", f"{base}/environments/{part(place)}/ruleset") for place in places]
    alive = [{"features": [f for f in d["features"] if f["name"] in described]} for d in documents]
    revisions = ", ".join(f"{d['environment']} {d['revision']}" for d in documents if d["revision"])
    return f"the project {project}", typed_flags.shapes(alive, described), revisions


def _from_files(files: list[Path]) -> tuple[str, list[typed_flags.Shape], str]:
    documents = [_document(file) for file in files]
    origin = ", ".join(file.name for file in files)
    return origin, typed_flags.shapes(documents), ", ".join(filter(None, map(_revision, documents)))


def _document(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{file} is no JSON.", remedy="Give a ruleset in the wire format: {features: […]}.") from error
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise Invalid(f"{file} is no ruleset.", remedy="Give a ruleset in the wire format: {features: […]}.")
    return found


def _revision(document: dict[str, Any]) -> str:
    place, revision = document.get("environment"), document.get("revision")
    if isinstance(place, str) and isinstance(revision, str):
        return " ".join(f"{place} {revision}".split())
    return ""


def _present(output: Path) -> str:
    try:
        return output.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Conflict(f"{output} cannot be read: {error}.") from error


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{output} cannot be written: {error.strerror}.") from error
