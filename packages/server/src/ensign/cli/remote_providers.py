"""`ensign access providers`: how people sign in, read over the API.

Connecting and changing a provider needs a session with a recent second factor, which no token is: see the pages.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows

app = group(help="Identity providers: how people sign in. Over the API; changed signed in, on the pages.")

_Id = Annotated[str, typer.Argument(help="The provider's id, idp_….")]


@app.command("list")
def list_providers(as_json: Json = False) -> None:
    """All identity providers."""
    show_rows(
        connect().pages("/identity-providers"),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("key", "key"),
            ("name", "name"),
            ("kind", "kind"),
            ("made by", "shape"),
            ("status", "status"),
            ("enforced", "enforced"),
            ("new people", "provisioning"),
        ),
        empty="No identity provider is connected.",
    )


@app.command()
def get(provider: _Id, as_json: Json = False) -> None:
    """One provider, with its settings and what to enter there."""
    found = connect().call("GET", f"/identity-providers/{part(provider)}")
    lines = [
        f"{found['name']} ({found['key']}): {found['status']}{', enforced' if found['enforced'] else ''}",
        *(f"  {label}: {address}" for label, address in found["addresses"].items()),
        *(f"  {name}: {value}" for name, value in found["settings"].items() if value not in ("", False)),
        f"  domains: {', '.join(found['domains']) or 'none'}",
        *(f"  group {one['value']} -> {one['group']}" for one in found["group_mapping"]),
    ]
    show(found, as_json=as_json, text="\n".join(lines))


@app.command()
def people(provider: _Id, as_json: Json = False) -> None:
    """Who came through a provider, and as whom it knows them."""
    show_rows(
        connect().pages(f"/identity-providers/{part(provider)}/people"),
        as_json=as_json,
        columns=(("person", "person"), ("subject", "subject"), ("since", "linked_at"), ("status", "status")),
        empty="Nobody has come through it yet.",
    )
