"""`ensign incidents`, `ensign triggers` and `ensign drills`. Over the API.

Breaking the glass and reviewing it are acts of a person in a session: no token does either, so neither is a command.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, out, show, show_rows
from ensign.control.kernel.errors import Invalid

app = group(help="Incidents, their log, times and exports. Over the API.")
triggers = group(help="Addresses at which a monitoring system switches a flag off. Over the API.")
drills = group(help="Drills of kill switches. Over the API.")

Incident = Annotated[str, typer.Argument(help="The incident's id.")]
Project = Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT", help="The project's key.")]
Environment = Annotated[str, typer.Option("--environment", "-e", help="The environment's key.")]
Text = Annotated[str, typer.Option("--text", "-t", help="A line for the incident's log.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File; must not exist.")]

_COLUMNS = (("id", "id"), ("severity", "severity"), ("state", "state"), ("title", "title"), ("detected", "detected_at"))


def _tell(found: dict[str, Any], *, as_json: bool, said: str = "") -> None:
    lines = [
        f"{found['id']}  {found['severity'].upper()}  {found['state']}  {found['title']}",
        f"in {', '.join(found['projects'])}{' / ' + found['environment'] if found['environment'] else ''}",
        *(f"{name.partition('_')[0]} {found[name]}" for name in _TIMES if found[name]),
        *(f"{line['at']}  {line['by']}  {line['text']}" for line in found["lines"]),
        *(f"to do until {one['due']}: {one['text']}" for one in found["follow_ups"] if not one["done_at"]),
        *(f"{name}: {', '.join(found[name])}" for name in ("kills", "emergencies", "requests") if found[name]),
    ]
    show(found, as_json=as_json, text="\n".join([said, *lines] if said else lines))


_TIMES = ("began_at", "detected_at", "declared_at", "mitigated_at", "resolved_at")


@app.command("list")
def list_incidents(
    project: Annotated[str, typer.Option("--project", "-p", help="Only of this project.")] = "",
    state: Annotated[str, typer.Option(help="open, mitigated or resolved.")] = "",
    as_json: Json = False,
) -> None:
    """Incidents, newest first."""
    found = connect().call("GET", "/incidents", query={"project": project, "state": state})
    show_rows(found["items"], as_json=as_json, columns=_COLUMNS, empty="No incident.")


@app.command("show")
def show_incident(incident: Incident, as_json: Json = False) -> None:
    """One incident with its log and what belongs to it."""
    _tell(connect().call("GET", f"/incidents/{part(incident)}"), as_json=as_json)


@app.command()
def declare(
    title: Annotated[str, typer.Argument(help="What is wrong, in a few words.")],
    project: Annotated[list[str], typer.Option("--project", "-p", help="A project that it is about; repeatable.")],
    severity: Annotated[str, typer.Option("--severity", "-s", help="sev1 (worst) to sev4.")] = "sev2",
    environment: Annotated[str, typer.Option("--environment", "-e", help="Only this environment.")] = "",
    flag: Annotated[str, typer.Option(help="The flag that is suspected.")] = "",
    kill: Annotated[list[str] | None, typer.Option(help="A kill record that belongs to it; repeatable.")] = None,
    text: Text = "",
    as_json: Json = False,
) -> None:
    """Declare an incident, detected just now."""
    body = {
        "title": title, "severity": severity, "projects": project, "environment": environment, "suspected_flag": flag,
        "kills": kill or [], "text": text,
    }  # fmt: skip
    _tell(connect().call("POST", "/incidents", body), as_json=as_json, said="Declared.")


@app.command()
def log(incident: Incident, text: Annotated[str, typer.Argument(help="What happened.")], as_json: Json = False) -> None:
    """Write a line into the log."""
    _tell(connect().call("POST", f"/incidents/{part(incident)}/log", {"text": text}), as_json=as_json)


@app.command()
def mitigate(incident: Incident, text: Text = "", as_json: Json = False) -> None:
    """Say that the harm has ended."""
    _tell(connect().call("POST", f"/incidents/{part(incident)}/mitigate", {"text": text}), as_json=as_json)


@app.command()
def resolve(incident: Incident, text: Text = "", as_json: Json = False) -> None:
    """Resolve an incident; emergency access under it opens nothing from then on."""
    _tell(connect().call("POST", f"/incidents/{part(incident)}/resolve", {"text": text}), as_json=as_json)


@app.command()
def kill(
    incident: Incident,
    flag: Annotated[str, typer.Argument(help="The flag's key.")],
    project: Project,
    environment: Environment,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; may follow.")] = "",
    as_json: Json = False,
) -> None:
    """Switch a flag off at once, as part of the incident."""
    body = {"project": project, "environment": environment, "flag": flag, "reason": reason}
    done = connect().call("POST", f"/incidents/{part(incident)}/kill", body)
    show(done, as_json=as_json, text=f"{flag} is off in {environment}, {done['took_ms']} ms after the press.")


@app.command()
def emergencies(as_json: Json = False) -> None:
    """Who broke the glass, and what the reviews found."""
    found = connect().call("GET", "/emergencies")["items"]
    columns = (
        ("id", "id"), ("by", "person"), ("project", "project"), ("environment", "environment"),
        ("opened", "opened_at"), ("open", "open"), ("changes", "changes"), ("verdict", "verdict"), ("late", "overdue"),
    )  # fmt: skip
    show_rows(found, as_json=as_json, columns=columns, empty="Nobody ever broke the glass.")


@app.command()
def times(
    days: Annotated[int, typer.Option(help="How far back.")] = 365,
    project: Annotated[str, typer.Option("--project", "-p", help="Only of this project.")] = "",
    as_json: Json = False,
) -> None:
    """MTTD, MTTM and MTTR with their n, in seconds; and how often the glass is broken."""
    found = connect().call("GET", "/incidents/times", query={"days": days, "project": project})
    if as_json:
        show(found, as_json=True, text="")
        return
    columns = (
        ("time", "measure"), ("n", "n"), ("median s", "median_s"), ("p90 s", "p90_s"), ("slowest s", "slowest_s"),
        ("not counted", "left_out"), ("", "note"),
    )  # fmt: skip
    show_rows(found["measures"], as_json=False, columns=columns, empty="")
    out.print(f"Emergency changes: {found['emergencies']} of {found['changes']} since {found['rate_since'][:10]}.")


@app.command()
def export(
    subject: Annotated[str, typer.Argument(help="incidents, drills or times.")] = "incidents",
    kind: Annotated[str, typer.Option("--format", help="csv, csv-spreadsheet or json.")] = "csv",
    output: Output = None,
) -> None:
    """Write a file with evidence; taking it becomes an entry with its digest."""
    path = output or Path(f"{subject}.{kind.partition('-')[0]}")
    if path.exists():
        raise Invalid(f"{path} exists already.", remedy="Choose another name; evidence is never overwritten.")
    content = connect().file("/exports/incidents", {"subject": subject, "format": kind})
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error}", remedy="Choose a writable place.") from error
    out.print(f"Wrote {path}, SHA-256 {hashlib.sha256(content).hexdigest()}: as the log says.", markup=False)


@triggers.command("list")
def list_triggers(as_json: Json = False) -> None:
    """All of them, ended ones, too."""
    found = connect().call("GET", "/kill-triggers")["items"]
    columns = (
        ("id", "id"), ("name", "name"), ("flag", "flag"), ("environment", "environment"), ("mode", "mode"),
        ("ends", "expires_at"), ("status", "status"),
    )  # fmt: skip
    show_rows(found, as_json=as_json, columns=columns, empty="No trigger was ever made.")


@triggers.command("make")
def make_trigger(
    name: Annotated[str, typer.Argument(help="Which system will call it.")],
    flag: Annotated[str, typer.Option(help="The flag that it switches off.")],
    project: Project,
    environment: Environment,
    secret_only: Annotated[
        bool, typer.Option("--secret-only", help="Requests are not signed: weaker, for senders that cannot.")
    ] = False,
    days: Annotated[int, typer.Option(help="When it ends.")] = 90,
    as_json: Json = False,
) -> None:
    """Make an address; its secret is printed this once."""
    body = {
        "name": name, "flag": flag, "project": project, "environment": environment, "days": days,
        "mode": "secret" if secret_only else "signed",
    }  # fmt: skip
    made = connect().call("POST", "/kill-triggers", body)
    what = "token" if secret_only else "signing key"
    show(made, as_json=as_json, text=f"POST to {made['url']}\n{what}, shown this once: {made['secret']}")


@triggers.command("revoke")
def revoke_trigger(trigger: Annotated[str, typer.Argument(help="The trigger's id.")], as_json: Json = False) -> None:
    """It does nothing from now on."""
    done = connect().call("POST", f"/kill-triggers/{part(trigger)}/revoke")
    show(done, as_json=as_json, text=f"“{done['name']}” does nothing any more.")


@drills.command("list")
def list_drills(as_json: Json = False) -> None:
    """What came of each."""
    found = connect().call("GET", "/drills")["items"]
    columns = (
        ("id", "id"), ("flag", "flag"), ("environment", "environment"), ("result", "status"),
        ("stored ms", "commit_ms"), ("p50 ms", "p50_ms"), ("p90 ms", "p90_ms"), ("all ms", "all_ms"), ("", "problem"),
    )  # fmt: skip
    show_rows(found, as_json=as_json, columns=columns, empty="No drill was ever run.")


@drills.command("plans")
def list_plans(as_json: Json = False) -> None:
    """When each kill switch is rehearsed."""
    found = connect().call("GET", "/drill-plans")["items"]
    columns = (
        ("id", "id"), ("flag", "flag"), ("environment", "environment"), ("every days", "every_days"),
        ("by Ensign", "automatic"), ("last", "last_at"), ("next", "next_at"), ("overdue", "overdue"),
        ("status", "status"),
    )  # fmt: skip
    show_rows(found, as_json=as_json, columns=columns, empty="No drill is planned.")


@drills.command("plan")
def plan(
    flag: Annotated[str, typer.Argument(help="The flag's key; one made for drills, at best.")],
    project: Project,
    environment: Environment,
    every: Annotated[int, typer.Option(help="Days.")] = 90,
    target: Annotated[int, typer.Option(help="Milliseconds, by when everybody on a stream has it.")] = 10_000,
    automatic: Annotated[bool, typer.Option(help="Ensign runs it when it is due.")] = False,
    as_json: Json = False,
) -> None:
    """Plan to rehearse a kill switch."""
    body = {
        "flag": flag, "project": project, "environment": environment, "every_days": every, "target_ms": target,
        "automatic": automatic,
    }  # fmt: skip
    made = connect().call("POST", "/drill-plans", body)
    show(made, as_json=as_json, text=f"Planned as {made['id']}; due {made['next_at']}.")


@drills.command("run")
def run(plan: Annotated[str, typer.Argument(help="The plan's id.")], as_json: Json = False) -> None:
    """Switch the flag off now and measure."""
    done = connect().call("POST", f"/drill-plans/{part(plan)}/run")
    text = f"{done['flag']} is off in {done['environment']}. The result comes within six minutes: ensign drills list"
    show(done, as_json=as_json, text=text)


@drills.command("end")
def end(plan: Annotated[str, typer.Argument(help="The plan's id.")], as_json: Json = False) -> None:
    """End a plan."""
    done = connect().call("POST", f"/drill-plans/{part(plan)}/end")
    show(done, as_json=as_json, text=f"The plan {done['id']} has ended.")
