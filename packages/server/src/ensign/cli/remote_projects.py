"""`ensign projects`."""

from __future__ import annotations

from typing import Annotated, Any

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
    type: Annotated[str, typer.Option(help="backend, frontend or edge.")] = "backend",
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="It reaches all projects, not this one.")
    ] = False,
    expires_at: Annotated[
        str | None, typer.Option(help="When it ends, with a time zone; else after a year, or the rules' longest time.")
    ] = None,
    never: Annotated[bool, typer.Option("--never", help="It does not end, where the rules allow that.")] = False,
    purpose: Annotated[str, typer.Option(help="What it is for, where the name does not say it.")] = "",
    as_json: Json = False,
) -> None:
    """Make a token for an application's SDK or for an edge; it is shown once."""
    body: dict[str, Any] = {
        "name": name,
        "type": type,
        "projects": ["*"] if all_projects else [project],
        "environment": environment,
    }
    body |= {"expires_at": expires_at, "never": never, "purpose": purpose}
    made = connect().call("POST", "/client-tokens", body)
    show(made, as_json=as_json, text=f"{made['token']}\nKeep it now: it is not shown again.")


@app.command("client-tokens")
def client_tokens(project: Project, as_json: Json = False) -> None:
    """The tokens that reach a project; never their texts."""
    show_rows(
        connect().pages(f"/projects/{part(project)}/client-tokens"),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("name", "name"),
            ("type", "type"),
            ("environment", "environment"),
            ("status", "status"),
            ("ends", "expires_at"),
            ("last used", "last_used_at"),
            ("successor", "successor"),
        ),
        empty="There are no client tokens.",
    )


@app.command("revoke-client-token")
def revoke_client_token(
    id: Annotated[str, typer.Argument(help="The token's id, from `ensign projects client-tokens`.")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the log.")] = "",
    as_json: Json = False,
) -> None:
    """End a client token: it is refused within a second, and an edge's feed ends at once."""
    row = connect().call("POST", f"/client-tokens/{part(id)}/revoke", {"reason": reason})
    show(row, as_json=as_json, text=f"Revoked {row['name']}.")
