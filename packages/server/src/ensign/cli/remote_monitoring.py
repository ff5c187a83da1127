"""`ensign alerts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, out, show, show_rows

app = group(help="What somebody has to judge, and what is watched. Over the API.")

_STATUS = "waiting (not judged), overdue, open, acknowledged, triaged; empty: all."


@app.command("list")
def list_alerts(
    status: Annotated[str, typer.Option(help=_STATUS)] = "waiting",
    severity: Annotated[str | None, typer.Option(help="high, medium or low.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as mass-change.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    as_json: Json = False,
) -> None:
    """Alerts, newest first."""
    query = {"status": status, "severity": severity, "kind": kind, "project": project}
    show_rows(
        connect().pages("/alerts", query=query),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("what", "title"),
            ("severity", "severity"),
            ("project", "project"),
            ("state", "status"),
            ("raised", "raised_at"),
            ("due", "due_at"),
        ),
        empty="Nothing waits for a verdict.",
    )


@app.command("show")
def show_alert(alert: Annotated[str, typer.Argument(help="alr_….")], as_json: Json = False) -> None:
    """One alert: what was seen, the entries that show it, and the verdict."""
    found = connect().call("GET", f"/alerts/{part(alert)}")
    entries = ", ".join(map(str, found["evidence"]))
    lines = [
        f"{found['title']} ({found['severity']}, {found['status']})",
        f"Look at: {found['look']}",
        f"Entries: {entries}",
        f"Raised {found['raised_at']}, due {found['due_at']}",
    ]
    if found["verdict"]:
        lines.append(f"{found['verdict']}: {found['reason']}")
    show(found, as_json=as_json, text="\n".join(lines))


@app.command()
def acknowledge(alert: Annotated[str, typer.Argument(help="alr_….")], as_json: Json = False) -> None:
    """Say that you look into it."""
    found = connect().call("POST", f"/alerts/{part(alert)}/acknowledge")
    show(found, as_json=as_json, text="Everybody sees that you look into it.")


@app.command()
def triage(
    alert: Annotated[str, typer.Argument(help="alr_….")],
    verdict: Annotated[str, typer.Option(help="expected or unexpected.")],
    reason: Annotated[str, typer.Option(help="How you know; stands in the log.")],
    follow_up: Annotated[str, typer.Option(help="For the unexpected: the incident or task that deals with it.")] = "",
    as_json: Json = False,
) -> None:
    """Judge it. Refused to who took part in it, while anybody else could."""
    body = {"verdict": verdict, "reason": reason, "follow_up": follow_up}
    found = connect().call("POST", f"/alerts/{part(alert)}/triage", body)
    show(found, as_json=as_json, text=f"Judged: {found['verdict']}.")


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; must not exist.")],
    file_format: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    status: Annotated[str, typer.Option(help=_STATUS)] = "",
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
) -> None:
    """Alerts with their verdicts as a file. Making it is an entry."""
    body = {
        "format": file_format,
        **({"status": status} if status else {}),
        **({"project": project} if project else {}),
    }
    data = connect().file("/exports/alerts", body)
    with output.open("xb") as file:
        file.write(data)
    out.print(f"Wrote {output}.")


@app.command()
def rules(as_json: Json = False) -> None:
    """What is watched: thresholds, working hours, deadlines."""
    found = connect().call("GET", "/monitoring-rules")
    lines = [f"{name}: {value}" for name, value in found.items()]
    show(found, as_json=as_json, text="\n".join(lines))
