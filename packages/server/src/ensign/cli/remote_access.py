"""`ensign access` and `ensign tokens`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows
from ensign.cli.remote_flags import Reason

app = group(help="People, roles, and who can do what. Over the API.")
tokens = group(help="Your own tokens, and those of service accounts. Over the API.")

_Project = Annotated[str | None, typer.Option("--project", "-p", help="Only in this project.")]
_Environment = Annotated[str | None, typer.Option("--environment", "-e", help="Only in this environment.")]


@app.command()
def whoami(as_json: Json = False) -> None:
    """Who the token acts as."""
    found = connect().call("GET", "/whoami")
    show(found, as_json=as_json, text=f"{found['kind']} {found['id']}")


@app.command()
def people(as_json: Json = False) -> None:
    """Everybody."""
    show_rows(
        connect().pages("/people"),
        as_json=as_json,
        columns=(("id", "id"), ("name", "name"), ("email", "email"), ("status", "status")),
        empty="Nobody is here.",
    )


@app.command()
def invite(
    email: Annotated[str, typer.Argument(help="Their address.")],
    name: Annotated[str, typer.Option()] = "",
    role: Annotated[list[str] | None, typer.Option(help="Organisation-wide roles; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Invite somebody; prints a link that works once."""
    body = {"email": email, "name": name, "roles": [{"role": one} for one in role or []]}
    made = connect().call("POST", "/people", body)
    show(made, as_json=as_json, text=f"Give them this link; it works once, until {made['expires_at']}:\n{made['url']}")


@app.command()
def grants(project: _Project = None, subject: str | None = None, as_json: Json = False) -> None:
    """Who holds which role where."""
    show_rows(
        connect().pages("/grants", query={"project": project, "subject": subject}),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("subject", "subject"),
            ("role", "role"),
            ("project", "project"),
            ("environment", "environment"),
            ("types", "flag_types"),
            ("tags", "tags"),
            ("starts", "starts_at"),
            ("ends", "ends_at"),
            ("reason", "reason"),
        ),
        empty="There is no such grant.",
    )


@app.command()
def grant(
    subject: Annotated[str, typer.Argument(help="Id of a person, group or service account.")],
    role: Annotated[str, typer.Argument(help="A role's key, as `ensign access roles list` shows them.")],
    project: _Project = None,
    environment: _Environment = None,
    flag_type: Annotated[list[str] | None, typer.Option(help="Only flags of this type; repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only flags with one of these tags; repeatable.")] = None,
    starts: Annotated[str | None, typer.Option(help="When it begins, such as 2026-12-01T00:00:00Z.")] = None,
    ends: Annotated[str | None, typer.Option(help="When it ends by itself.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Give a role. Nobody gives one to themselves."""
    body: dict[str, Any] = {"subject": subject, "role": role, "project": project, "environment": environment}
    body |= {"flag_types": flag_type or [], "tags": tag or [], "starts_at": starts, "ends_at": ends, "reason": reason}
    made = connect().call("POST", "/grants", body)
    show(made, as_json=as_json, text=f"Given: {made['role']} to {made['subject']} ({made['id']}).")


@app.command()
def revoke(
    grant: Annotated[str, typer.Argument(help="The grant's id, grt_….")], reason: Reason = "", as_json: Json = False
) -> None:
    """End a grant at once."""
    done = connect().call("POST", f"/grants/{part(grant)}/end", {"reason": reason})
    show(done, as_json=as_json, text=f"{done['id']} has ended.")


@tokens.command("list")
def list_tokens(
    service_account: Annotated[str, typer.Option(help="Of this service account instead of your own.")] = "",
    as_json: Json = False,
) -> None:
    """Tokens, without their secrets."""
    path = f"/service-accounts/{part(service_account)}/tokens" if service_account else "/tokens"
    show_rows(
        connect().pages(path),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("name", "name"),
            ("begins with", "hint"),
            ("status", "status"),
            ("expires", "expires_at"),
            ("last used", "last_used_at"),
        ),
        empty="There is no token.",
    )


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    service_account: Annotated[str, typer.Option(help="For this service account instead of yourself.")] = "",
    days: Annotated[int, typer.Option(min=1, help="After how many days it ends.")] = 90,
    permission: Annotated[list[str] | None, typer.Option(help="Only these; repeatable.")] = None,
    project: _Project = None,
    environment: _Environment = None,
    purpose: Annotated[str, typer.Option(help="What it is for, where the name does not say it.")] = "",
    renew_days: Annotated[int | None, typer.Option(help="For so many days it may rotate itself.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token; it is shown once. Needs a session for most: a stolen token must not make others."""
    body: dict[str, Any] = {"name": name, "days": days, "permissions": permission, "purpose": purpose}
    body["renew_days"] = renew_days
    body |= {"project": project, "environment": environment}
    path = f"/service-accounts/{part(service_account)}/tokens" if service_account else "/tokens"
    made = connect().call("POST", path, body)
    show(made, as_json=as_json, text=f"{made['token']}\nKeep it now: it is not shown again.")


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="The token's id, tok_….")], reason: Reason = "", as_json: Json = False
) -> None:
    """End a token at once."""
    done = connect().call("POST", f"/tokens/{part(token)}/revoke", {"reason": reason})
    show(done, as_json=as_json, text=f"{done['id']} is {done['status']}.")
