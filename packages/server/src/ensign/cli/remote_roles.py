"""`ensign access roles`: what can be allowed, and which roles allow it.

Reading only: no token makes or changes a role, and a token is all that the command line has.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows

app = group(help="Roles, and what they allow. Over the API.")

_Key = Annotated[str, typer.Argument(help="The role's key, such as developer.")]


@app.command("list")
def list_roles(
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones, too.")] = False, as_json: Json = False
) -> None:
    """All roles."""
    rows = connect().pages("/roles", query={"archived": "true"} if archived else {})
    columns = (("key", "key"), ("name", "name"), ("built in", "built_in"), ("description", "description"))
    show_rows(rows, as_json=as_json, columns=columns, empty="There is no role.")


@app.command("permissions")
def permissions(as_json: Json = False) -> None:
    """Everything that a role can allow."""
    columns = (("code", "code"), ("level", "level"), ("may", "description"))
    show_rows(connect().pages("/permissions"), as_json=as_json, columns=columns, empty="There is none.")


@app.command("show")
def show_role(key: _Key, as_json: Json = False) -> None:
    """One role and what it allows."""
    found = connect().call("GET", f"/roles/{part(key)}")
    gives = ", ".join(found["assigns"]) or "none"
    lines = [f"{found['name']} ({found['key']}): {found['description']}", f"gives roles: {gives}", "allows:"]
    show(found, as_json=as_json, text="\n".join([*lines, *(f"  {code}" for code in found["permissions"])]))


@app.command("preview")
def preview(
    key: _Key,
    add: Annotated[list[str] | None, typer.Option(help="A permission more; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A permission less; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Who would gain and lose what if a custom role changed. Changing it takes a person in a session."""
    client = connect()
    before = client.call("GET", f"/roles/{part(key)}")
    body: dict[str, Any] = {name: before[name] for name in ("name", "description", "assigns")}
    body["permissions"] = sorted((set(before["permissions"]) | set(add or ())) - set(remove or ()))
    effect = client.call("PUT", f"/roles/{part(key)}", body, query={"dry_run": "true"})
    said = effect["sentences"] or [f"None of {effect['holders']} who hold it gains or loses anything."]
    show(effect, as_json=as_json, text="\n".join(said))
