"""`ensign projects`."""

from __future__ import annotations

from typing import Annotated

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows

app = group(help="Projects, their environments and policies. Over the API.")

Project = Annotated[str, typer.Argument(help="The project's key.")]


@app.command("list")
def list_projects(as_json: Json = False) -> None:
    """Every project that you can see."""
    show_rows(
        connect().pages("/projects"),
        as_json=as_json,
        columns=(("key", "key"), ("name", "name"), ("description", "description")),
        empty="There is no project yet: ensign projects create KEY --name NAME",
    )


@app.command()
def create(
    key: Project,
    name: Annotated[str, typer.Option(help="What people call it.")],
    description: Annotated[str, typer.Option()] = "",
    as_json: Json = False,
) -> None:
    """A project with the environments development, staging and production."""
    made = connect().call("POST", "/projects", {"key": key, "name": name, "description": description})
    show(made, as_json=as_json, text=f"Created the project {made['key']}.")


@app.command()
def environments(project: Project, as_json: Json = False) -> None:
    """The environments in their order, and what each asks for."""
    rows = connect().call("GET", f"/projects/{part(project)}/environments")
    shown = rows if as_json else [{**row, "approvals": row["policy"]["approvals"]} for row in rows]
    show_rows(
        shown,
        as_json=as_json,
        columns=(("key", "key"), ("name", "name"), ("protected", "protected"), ("approvals", "approvals")),
        empty="There are no environments.",
    )


@app.command("client-token")
def client_token(
    project: Project,
    environment: Annotated[str, typer.Argument(help="The environment's key.")],
    name: Annotated[str, typer.Option(help="Which application uses it, and where.")],
    type: Annotated[str, typer.Option(help="backend or frontend.")] = "backend",
    as_json: Json = False,
) -> None:
    """Make a token for an application's SDK; it is shown once."""
    body = {"name": name, "type": type, "projects": [project], "environment": environment}
    made = connect().call("POST", "/client-tokens", body)
    show(made, as_json=as_json, text=f"{made['token']}\nKeep it now: it is not shown again.")
