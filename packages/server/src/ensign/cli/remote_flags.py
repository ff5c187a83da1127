"""`ensign flags` and `ensign segments`.

What alters what applications see is proposed as a change: it applies at once where the policy asks for no approval, and
waits for review everywhere else; the answer says which.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ensign.cli import reach
from ensign.cli.client import Client, connect, part
from ensign.cli.frame import Json, group, out, show, show_rows
from ensign.control.kernel.errors import Conflict, Invalid

app = group(help="Flags. Over the API.")
segments = group(help="Segments. Over the API.")

Project = Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT", help="The project's key.")]
Environment = Annotated[str, typer.Option("--environment", "-e", help="The environment's key.")]
Flag = Annotated[str, typer.Argument(help="The flag's key.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; the reviewer and the log will want to know.")]
Ticket = Annotated[
    list[str] | None, typer.Option("--ticket", help="What it belongs to: PAY-142, an address; repeatable.")
]


def propose(
    client: Client,
    *,
    project: str,
    environment: str,
    operations: list[dict[str, Any]],
    reason: str,
    wish: str = "apply",
    tickets: list[str] | None = None,
) -> dict[str, Any]:
    """Propose a change set; the request that came of it."""
    path = f"/projects/{part(project)}/environments/{part(environment)}/changes"
    body = {"operations": operations, "reason": reason, "wish": wish, "tickets": tickets or []}
    made: dict[str, Any] = client.call("POST", path, body)
    return made


def tell(request: dict[str, Any], *, as_json: bool) -> None:
    """What became of a proposal, in words."""
    text = "\n".join(request["sentences"]) + "\n"
    if request["status"] == "applied":
        text += f"Applied, as {request['id']} (entry {request['entry']} of the log)."
    elif request["status"] == "draft":
        text += f"Kept as the draft {request['id']}. Submit it: ensign changes submit {request['id']}"
    else:
        text += (
            f"Not applied: {request['environment']} asks for {request['required']} approval(s). It waits for review as"
            f" {request['id']}."
        )
    show(request, as_json=as_json, text=text)


@app.command("list")
def list_flags(
    project: Project,
    search: Annotated[str, typer.Option("--search", "-s", help="In the key, the description or a tag.")] = "",
    on: Annotated[str, typer.Option(help="Only those on in this environment.")] = "",
    tier: Annotated[str, typer.Option(help="Only those of this risk tier.")] = "",
    stale: Annotated[bool, typer.Option("--stale", help="Only those past their intended life.")] = False,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones instead.")] = False,
    as_json: Json = False,
) -> None:
    """The flags of a project, with their state in each environment."""
    client = connect()
    query = {
        "q": search,
        "on": on,
        "tier": tier,
        "stale": stale and "true",
        "archived": archived and "true",
        "limit": 200,
    }
    rows = list(client.pages(f"/projects/{part(project)}/flags", query=query))
    keys = [] if as_json else [row["key"] for row in client.call("GET", f"/projects/{part(project)}/environments")]
    shown = rows if as_json else [{**row, **{k: _cell(row["environments"].get(k)) for k in keys}} for row in rows]
    columns = (("key", "key"), ("type", "type"), *((key, key) for key in keys))
    show_rows(shown, as_json=as_json, columns=columns, empty="There is no such flag.")


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not set up"
    rollout = cell.get("rollout")
    return str(cell["state"]) + (f" {rollout} %" if rollout is not None and cell["state"] == "on" else "")


@app.command("show")
def show_flag(flag: Flag, project: Project, as_json: Json = False) -> None:
    """One flag: who gets it in each environment, in words."""
    found = _flag(connect(), project, flag)
    if as_json:
        show(found, as_json=True, text="")
        return
    out.print(f"{found['key']} ({found['type']}){': ' + found['description'] if found['description'] else ''}")
    for key, config in found["environments"].items():
        out.print(f"\n{key}: {'on' if config['enabled'] else 'off'}")
        words = config["words"]
        for line in words if isinstance(words, list) else [words]:
            out.print(f"  {line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)}", markup=False)


@app.command("reach")
def reach_of_flag(flag: Flag, project: Project, as_json: Json = False) -> None:
    """How far the last change of a flag has come: on how many instances it is live, and after how long."""
    found = connect().call("GET", f"/projects/{part(project)}/flags/{part(flag)}/reach")
    told = {one["environment"] for one in found["changes"]}
    text = reach.lines(found["changes"])
    text += [
        f"{one['environment']}: {one['instances']} connected" for one in found["connected"]
        if one["environment"] not in told and one["instances"]
    ]  # fmt: skip
    show(found, as_json=as_json, text="\n".join(text) or "No application is connected.")


def _flag(client: Client, project: str, flag: str) -> dict[str, Any]:
    found: dict[str, Any] = client.call("GET", f"/projects/{part(project)}/flags/{part(flag)}")
    return found


@app.command()
def create(
    flag: Flag,
    project: Project,
    type: Annotated[str, typer.Option(help="release, experiment, operational, kill-switch or permission.")] = "release",
    description: Annotated[str, typer.Option()] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    tier: Annotated[str, typer.Option(help="Risk tier: low, medium or high.")] = "medium",
    as_json: Json = False,
) -> None:
    """Create a flag; it is off everywhere."""
    body = {"key": flag, "type": type, "description": description, "tags": tag or [], "tier": tier}
    made = connect().call("POST", f"/projects/{part(project)}/flags", body)
    show(made, as_json=as_json, text=f"Created {made['key']}; it is off everywhere.")


@app.command()
def classify(
    flag: Flag,
    project: Project,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Where the request stands.")] = "production",
    type: Annotated[str, typer.Option(help="Another type.")] = "",
    tier: Annotated[str, typer.Option(help="Another risk tier: low, medium or high.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="All its tags from now on. Repeatable.")] = None,
    owner: Annotated[str, typer.Option(help="Id of the person or group that answers for it.")] = "",
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Request another type, risk tier, tags or owner, where a policy goes by them; it has effect everywhere."""
    client = connect()
    found = _flag(client, project, flag)
    step = {
        "type": "flag.classify",
        "flag": flag,
        "flag_type": type or found["type"],
        "tier": tier or found["tier"],
        "tags": found["tags"] if tag is None else tag,
        "owner": owner or found["owner"],
    }
    tell(
        propose(client, project=project, environment=environment, operations=[step], reason=reason, tickets=ticket),
        as_json=as_json,
    )


@app.command("on")
def switch_on(
    flag: Flag,
    project: Project,
    environment: Environment,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Switch a flag on in an environment, or request it."""
    steps = [{"type": "flag.enable", "flag": flag}]
    tell(
        propose(connect(), project=project, environment=environment, operations=steps, reason=reason, tickets=ticket),
        as_json=as_json,
    )


@app.command("off")
def switch_off(
    flag: Flag,
    project: Project,
    environment: Environment,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Switch a flag off in an environment, or request it. In an emergency, use `kill`."""
    steps = [{"type": "flag.disable", "flag": flag}]
    tell(
        propose(connect(), project=project, environment=environment, operations=steps, reason=reason, tickets=ticket),
        as_json=as_json,
    )


@app.command()
def rollout(
    flag: Flag,
    percent: Annotated[int, typer.Argument(min=0, max=100, help="0 to 100.")],
    project: Project,
    environment: Environment,
    strategy: Annotated[str, typer.Option(help="Its id; needed when there are several rollouts.")] = "",
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Set the rollout of a flag in an environment, or request it."""
    client = connect()
    config = _flag(client, project, flag)["environments"].get(environment, {"strategies": []})
    found = [s for s in config["strategies"] if s["name"] == "flexibleRollout" and strategy in {"", s["id"]}]
    if len(found) > 1:
        raise Conflict(
            f"{flag} has {len(found)} rollouts in {environment}.",
            remedy="Say which: " + ", ".join(f"--strategy {s['id']}" for s in found),
        )
    if found:
        changed = {**found[0], "parameters": {**found[0]["parameters"], "rollout": str(percent)}}
        steps: list[dict[str, Any]] = [{"type": "strategy.update", "flag": flag, "strategy": changed}]
    elif strategy:
        raise Invalid(f"{flag} has no rollout {strategy} in {environment}.", remedy="Look: ensign flags show")
    else:
        parameters = {"rollout": str(percent), "stickiness": "default", "groupId": flag}
        new = {"name": "flexibleRollout", "parameters": parameters}
        steps = [{"type": "strategy.add", "flag": flag, "strategy": new}]
    tell(
        propose(client, project=project, environment=environment, operations=steps, reason=reason, tickets=ticket),
        as_json=as_json,
    )


@app.command()
def kill(flag: Flag, project: Project, environment: Environment, reason: Reason = "", as_json: Json = False) -> None:
    """Off at once, whatever the policy asks for. The reason may follow afterwards."""
    path = f"/projects/{part(project)}/flags/{part(flag)}/environments/{part(environment)}/kill"
    done = connect().call("POST", path, {"reason": reason})
    text = f"{flag} is off in {environment}, {done['took_ms']} ms after the press (request {done['request']})."
    if done["reason_status"] != "given":
        text += f"\nSay why when there is time: ensign flags kill-reason {done['id']} TEXT"
    show(done, as_json=as_json, text=text)


@app.command("kill-reason")
def kill_reason(
    kill: Annotated[str, typer.Argument(help="The kill record's id.")],
    reason: Annotated[str, typer.Argument(help="Why it was switched off.")],
    as_json: Json = False,
) -> None:
    """Say why a kill switch was pressed."""
    done = connect().call("POST", f"/kills/{part(kill)}/reason", {"reason": reason})
    show(done, as_json=as_json, text="The reason is recorded.")


@app.command()
def archive(
    flag: Flag,
    project: Project,
    environment: Environment = "production",
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Retire a flag in every environment, or request it. Nothing is ever deleted."""
    steps = [{"type": "flag.archive", "flag": flag}]
    tell(
        propose(connect(), project=project, environment=environment, operations=steps, reason=reason, tickets=ticket),
        as_json=as_json,
    )


@segments.command("list")
def list_segments(project: Project, as_json: Json = False) -> None:
    """The segments of a project."""
    show_rows(
        connect().pages(f"/projects/{part(project)}/segments"),
        as_json=as_json,
        columns=(("key", "key"), ("name", "name"), ("description", "description")),
        empty="There is no segment yet.",
    )


@segments.command("show")
def show_segment(
    segment: Annotated[str, typer.Argument(help="The segment's key.")], project: Project, as_json: Json = False
) -> None:
    """One segment, with its constraints in each environment."""
    found = connect().call("GET", f"/projects/{part(project)}/segments/{part(segment)}")
    show(found, as_json=as_json, text=json.dumps(found["environments"], indent=2, ensure_ascii=False))


@segments.command("create")
def create_segment(
    segment: Annotated[str, typer.Argument(help="The segment's key.")],
    project: Project,
    name: Annotated[str, typer.Option(help="What people call it.")],
    description: Annotated[str, typer.Option()] = "",
    as_json: Json = False,
) -> None:
    """Create a segment; define it in an environment with a change (`segment.set`)."""
    body = {"key": segment, "name": name, "description": description}
    made = connect().call("POST", f"/projects/{part(project)}/segments", body)
    show(made, as_json=as_json, text=f"Created the segment {made['key']}.")
