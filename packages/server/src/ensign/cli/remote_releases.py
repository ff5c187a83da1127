"""`ensign releases`: ramps, release templates and what applies when; and `ensign changes schedule`."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows
from ensign.cli.remote_flags import Environment, Flag, Project, Reason, Ticket, propose, tell
from ensign.control.kernel.errors import Invalid, NotFound

app = group(help="Ramps, release templates, and what applies when. Over the API.")
templates = group(help="Named plans from which ramps are drafted. Over the API.")
app.add_typer(templates, name="templates")

_Ramp = Annotated[str, typer.Argument(help="The ramp's id, rmp_….")]
_Template = Annotated[str, typer.Argument(help="The template's id, tpl_….")]
_Steps = Annotated[str, typer.Option("--steps", help="Shares and holds: 5:1h,25:1h,50:2h,100.")]
_Guards = Annotated[list[str] | None, typer.Option("--guard", help="Name of a guard; repeatable.")]
_Breach = Annotated[str, typer.Option("--on-breach", help="What a bad guard does: pause or roll_back.")]

_STEP = re.compile(r"(\d{1,3})(?::(\d{1,5})(m|h|d)?)?")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60, None: 1}


def read_steps(text: str) -> list[dict[str, int]]:
    """``5:1h,25:90m,100`` as the API takes it: shares in per cent, holds in minutes.

    :raises Invalid: when it cannot be read.
    """
    found = []
    for one in text.split(","):
        match = _STEP.fullmatch(one.strip().replace(" ", "").replace("%", ""))
        if match is None:
            raise Invalid(
                f"“{one.strip()}” is no step.",
                remedy="Write a share and how long it is held, such as 5:1h,25:90m,100. The last is not held.",
                fields={"steps": "cannot be read"},
            )
        percent, hold, unit = match.groups()
        found.append({"percent": int(percent), "hold": int(hold or 0) * _MINUTES[unit]})
    return found


def _plan(steps: list[dict[str, Any]]) -> str:
    return " → ".join(f"{s['percent']} %" + (f" ({s['hold']} min)" if s["hold"] else "") for s in steps)


@app.command("list")
def list_ramps(
    project: Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT")] = "",
    status: Annotated[str, typer.Option(help="running, paused, finished, rolled_back or stopped.")] = "",
    as_json: Json = False,
) -> None:
    """Ramps, newest first."""
    show_rows(
        connect().pages("/ramps", query={"project": project, "status": status}),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("status", "status"),
            ("project", "project"),
            ("environment", "environment"),
            ("flag", "flag"),
            ("per cent", "percent"),
            ("next step", "next_at"),
        ),
        empty="There is no such ramp.",
    )


def _tell(ramp: dict[str, Any], *, as_json: bool) -> None:
    lines = [
        f"{ramp['flag']} in {ramp['project']}, {ramp['environment']}: {ramp['percent']} %, {ramp['status']}",
        f"  plan {_plan(ramp['steps'])}",
    ]
    if ramp["next_at"]:
        lines.append(f"  next step at {ramp['next_at']}")
    if ramp["paused_because"] is not None:
        lines.append(f"  paused: {ramp['paused_because'] or 'no reason given'}")
    lines += [f"  {taken['percent']} % at {taken['at']} by {taken['request']}" for taken in ramp["taken"]]
    show(ramp, as_json=as_json, text="\n".join(lines))


@app.command("show")
def show_ramp(id: _Ramp, as_json: Json = False) -> None:
    """One ramp: its plan, how far it has come, why it waits."""
    _tell(connect().call("GET", f"/ramps/{part(id)}"), as_json=as_json)


@app.command()
def calendar(
    project: Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT")] = "",
    days: Annotated[int, typer.Option(help="How many days ahead.")] = 14,
    as_json: Json = False,
) -> None:
    """What applies by itself in the next days: scheduled changes, steps of ramps at their earliest."""
    show_rows(
        connect().call("GET", "/releases/calendar", query={"days": days, "project": project or None}),
        as_json=as_json,
        columns=(
            ("at", "at"),
            ("kind", "kind"),
            ("project", "project"),
            ("environment", "environment"),
            ("title", "title"),
            ("request", "request"),
        ),
        empty="Nothing applies by itself in that time.",
    )


@app.command()
def ramp(
    flag: Flag,
    project: Project,
    environment: Environment,
    steps: _Steps = "",
    template: Annotated[str, typer.Option("--template", help="Name of a release template, instead of steps.")] = "",
    strategy: Annotated[str, typer.Option(help="The strategy's id, where the flag has several.")] = "",
    guard: _Guards = None,
    on_breach: _Breach = "pause",
    reason: Reason = "",
    ticket: Ticket = None,
    draft: Annotated[bool, typer.Option("--draft", help="Only keep it.")] = False,
    as_json: Json = False,
) -> None:
    """Request a ramp of a flag's gradual strategy. Approved once, it takes its steps by itself."""
    if bool(steps) is bool(template):
        raise Invalid("Say the steps, or which template to take.", remedy="Give --steps or --template, not both.")
    client = connect()
    plan: dict[str, Any] = {"steps": read_steps(steps) if steps else [], "guards": guard or [], "on_breach": on_breach}
    if template:
        named = client.call("GET", f"/projects/{part(project)}/release-templates")
        found = next((one for one in named if template in (one["name"], one["id"])), None)
        if found is None:
            raise NotFound(f"There is no release template “{template}”.", remedy="See: ensign releases templates list")
        plan = {name: found[name] for name in ("steps", "guards", "on_breach")}
    if not strategy:
        config = client.call("GET", f"/projects/{part(project)}/flags/{part(flag)}")["environments"].get(environment)
        if config is None:  # never configured there; or there is no such environment, and this says so
            client.call("GET", f"/projects/{part(project)}/environments/{part(environment)}")
        ids = [one["id"] for one in (config or {}).get("strategies", ())]
        if len(ids) != 1:
            raise Invalid(
                f"{flag} has {len(ids)} strategies in {environment}.",
                remedy=f"Say which one grows: --strategy {' or '.join(ids)}"
                if ids
                else "Add a gradual strategy first.",
            )
        strategy = ids[0]
    operation = {"type": "ramp.plan", "flag": flag, "strategy": strategy, **plan}
    made = propose(
        client, project=project, environment=environment, operations=[operation], reason=reason,
        tickets=ticket, wish="draft" if draft else "apply",
    )  # fmt: skip
    tell(made, as_json=as_json)


def _act(id: str, verb: str, reason: str, *, as_json: bool) -> None:
    _tell(connect().call("POST", f"/ramps/{part(id)}/{verb}", {"reason": reason}), as_json=as_json)


@app.command()
def pause(id: _Ramp, reason: Reason = "", as_json: Json = False) -> None:
    """Pause a ramp."""
    _act(id, "pause", reason, as_json=as_json)


@app.command()
def resume(id: _Ramp, reason: Reason = "", as_json: Json = False) -> None:
    """Let a paused ramp go on, as yours from then on. After a safeguard's pause a person does that in a browser."""
    _act(id, "resume", reason, as_json=as_json)


@app.command("roll-back")
def roll_back(id: _Ramp, reason: Reason = "", as_json: Json = False) -> None:
    """Take the share back to where it was before the ramp, at once."""
    _act(id, "roll-back", reason, as_json=as_json)


@app.command()
def stop(id: _Ramp, reason: Reason = "", as_json: Json = False) -> None:
    """End a ramp where it is."""
    _act(id, "stop", reason, as_json=as_json)


@templates.command("list")
def list_templates(project: Project, as_json: Json = False) -> None:
    """The release templates of a project."""
    found = connect().call("GET", f"/projects/{part(project)}/release-templates")
    shown = found if as_json else [{**one, "plan": _plan(one["steps"])} for one in found]
    columns = (("id", "id"), ("name", "name"), ("plan", "plan"))
    show_rows(shown, as_json=as_json, columns=columns, empty="There is no template yet.")


@templates.command("make")
def make_template(
    name: Annotated[str, typer.Argument(help="Its name, such as Careful.")],
    project: Project,
    steps: _Steps,
    description: Annotated[str, typer.Option()] = "",
    guard: _Guards = None,
    on_breach: _Breach = "pause",
    as_json: Json = False,
) -> None:
    """Make a release template."""
    body = {
        "name": name, "description": description, "steps": read_steps(steps), "guards": guard or [],
        "on_breach": on_breach,
    }  # fmt: skip
    made = connect().call("POST", f"/projects/{part(project)}/release-templates", body)
    show(made, as_json=as_json, text=f"Made {made['id']}: {_plan(made['steps'])}")


@templates.command("change")
def change_template(
    id: _Template,
    name: Annotated[str | None, typer.Option()] = None,
    steps: Annotated[str | None, typer.Option("--steps", help="Shares and holds: 5:1h,25:1h,100.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Change a release template; ramps and requests stay as they are."""
    body: dict[str, Any] = {"name": name, "description": description}
    body["steps"] = None if steps is None else read_steps(steps)
    made = connect().call("PATCH", f"/release-templates/{part(id)}", body)
    show(made, as_json=as_json, text=f"Changed {made['id']}: {_plan(made['steps'])}")


@templates.command("archive")
def archive_template(id: _Template, as_json: Json = False) -> None:
    """Offer a release template no more."""
    made = connect().call("POST", f"/release-templates/{part(id)}/archive")
    show(made, as_json=as_json, text=f"Archived {made['name']}.")


_Id = Annotated[str, typer.Argument(help="The request's id, crq_….")]


def schedule(
    id: _Id,
    at: Annotated[str, typer.Option("--at", help="When, with its offset: 2026-12-01T06:30:00Z.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Let a request apply by itself at a time; everything is asked again then."""
    done = connect().call("PUT", f"/changes/{part(id)}/schedule", {"at": at})
    text = f"{id} is {done['status'].replace('_', ' ')} and applies at {done['at']}."
    if done["lapsing"]:
        text += f"\n{len(done['lapsing'])} approval(s) will have expired by then: ask for them anew."
    if done["frozen"]:
        text += f"\nIt is frozen then (“{done['frozen']}”): it would not apply. Choose a time outside."
    show(done, as_json=as_json, text=text)


def unschedule(id: _Id, as_json: Json = False) -> None:
    """Take the time of a request back."""
    done = connect().call("DELETE", f"/changes/{part(id)}/schedule")
    show(done, as_json=as_json, text=f"{id} is {done['status'].replace('_', ' ')} and waits for somebody.")


def add_to(changes: typer.Typer) -> None:
    """Put the commands that are about requests beside their others."""
    changes.command()(schedule)
    changes.command()(unschedule)
